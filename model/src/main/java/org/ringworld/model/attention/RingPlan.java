package org.ringworld.model.attention;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.function.IntUnaryOperator;

/**
 * Who attends to which key tiles of whom, and which tiles travel over which link at which hop. A
 * pure function of all ranks' positions and segments, so every rank (and a test) knows the whole
 * traffic before a step begins.
 *
 * <p>At hop h rank r holds the block of origin (r − h) mod N; the link of hop h leads that block on
 * from rank origin + h to origin + h + 1. Forward and backward send the keys and values of a tile
 * as far as the last rank that sees it and no further. In backward the sums of dK and dV of a tile
 * start at the first other rank that sees it and travel home from there. Work is visited in the
 * order of hops and, within a hop, of tiles, but for one tile of a rank's own in backward, which
 * comes last; so all sums have one order.
 *
 * @param size ranks N
 * @param borders ends of the key tiles of each rank's block, which may be of no token: tile t of
 *     origin is [borders[origin][t], borders[origin][t+1])
 * @param sees {@code sees[rank][origin]}: the tiles of origin that some query of rank sees
 */
public record RingPlan(int size, int[][] borders, BitSet[][] sees) {
    /** Keys of a travelling tile at most: 512 keep the state's traffic small beside the work. */
    public static final int TILE = 512;

    /**
     * The plan for the blocks of one micro-batch.
     *
     * @param chunkLength of a rank's block
     */
    public static RingPlan of(List<BlockPositions> blocks, IntUnaryOperator chunkLength, int tile) {
        int segments = 0;
        for (BlockPositions block : blocks) {
            for (int segment : block.segments()) {
                segments = Math.max(segments, segment + 1);
            }
        }
        int size = blocks.size();
        int[][] borders = new int[size][];
        for (int origin = 0; origin < size; origin++) {
            borders[origin] =
                    borders(blocks.get(origin).length(), chunkLength.applyAsInt(origin), tile);
        }
        BitSet[][] sees = new BitSet[size][size];
        for (int rank = 0; rank < size; rank++) {
            int[] last = lastPositions(blocks.get(rank), segments);
            for (int origin = 0; origin < size; origin++) {
                sees[rank][origin] = visibleTiles(blocks.get(origin), borders[origin], last);
            }
        }
        return new RingPlan(size, borders, sees);
    }

    /**
     * Tiles of at most {@code tile} keys that end with chunks: long chunks are cut into equal
     * pieces, short ones are put together.
     */
    static int[] borders(int length, int chunkLength, int tile) {
        List<Integer> ends = new ArrayList<>(List.of(0));
        int group = Math.max(chunkLength, tile / Math.max(1, chunkLength) * chunkLength);
        for (int start = 0; start < length; start += group) {
            int end = Math.min(length, start + group);
            int pieces = Math.ceilDiv(end - start, tile);
            for (int p = 1; p <= pieces; p++) {
                ends.add(start + (int) ((long) (end - start) * p / pieces));
            }
        }
        return ends.stream().mapToInt(Integer::intValue).toArray();
    }

    /** The last position of each document that a rank sees; −1 where it has none of it. */
    private static int[] lastPositions(BlockPositions block, int segments) {
        int[] last = new int[segments];
        Arrays.fill(last, -1);
        for (int i = 0; i < block.length(); i++) {
            int segment = block.segments()[i];
            if (segment >= 0) {
                last[segment] = Math.max(last[segment], block.sees()[i]);
            }
        }
        return last;
    }

    private static BitSet visibleTiles(BlockPositions keys, int[] borders, int[] last) {
        BitSet tiles = new BitSet();
        for (int t = 0; t + 1 < borders.length; t++) {
            for (int i = borders[t]; i < borders[t + 1]; i++) {
                int segment = keys.segments()[i];
                if (segment >= 0 && keys.positions()[i] <= last[segment]) {
                    tiles.set(t);
                    break;
                }
            }
        }
        return tiles;
    }

    /** Key tiles of a rank's block. */
    public int tiles(int origin) {
        return borders[origin].length - 1;
    }

    /** Keys of one tile. */
    int keys(int origin, int tile) {
        return borders[origin][tile + 1] - borders[origin][tile];
    }

    /** Local tokens of the rank that has most. */
    int longest() {
        return Arrays.stream(borders).mapToInt(b -> b[b.length - 1]).max().orElse(0);
    }

    /** Whose block a rank holds at a hop. */
    public int origin(int rank, int hop) {
        return Math.floorMod(rank - hop, size);
    }

    /** Tiles of {@code origin} whose keys and values go on from the rank that holds them at hop. */
    public BitSet keysSent(int hop, int origin) {
        BitSet sent = new BitSet();
        for (int later = hop + 1; later < size; later++) {
            sent.or(sees[(origin + later) % size][origin]);
        }
        return sent;
    }

    /** Tiles of {@code origin} whose dK and dV go on from the rank that holds them at hop ≥ 1. */
    public BitSet gradientsSent(int hop, int origin) {
        BitSet sent = new BitSet();
        for (int touched = 1; touched <= hop; touched++) {
            sent.or(sees[(origin + touched) % size][origin]);
        }
        return sent;
    }

    /** Keys in a set of a block's tiles. */
    public long keys(int origin, BitSet tiles) {
        return tiles.stream().mapToLong(t -> keys(origin, t)).sum();
    }

    /**
     * Keys that travel, counted once for every link they pass: forward, and in backward the keys
     * again and their gradients.
     */
    public Traffic traffic() {
        long keys = 0;
        long gradients = 0;
        long fewestKeys = 0;
        for (int origin = 0; origin < size; origin++) {
            for (int hop = 0; hop + 1 < size; hop++) {
                keys += keys(origin, keysSent(hop, origin));
                gradients += keys(origin, gradientsSent(hop + 1, origin));
                fewestKeys += keys(origin, sees[(origin + hop + 1) % size][origin]);
            }
        }
        return new Traffic(keys, gradients, fewestKeys);
    }

    /**
     * @param keys key rows over all links in one pass
     * @param gradients rows of dK and dV over all links in backward
     * @param fewest rows if each went straight to each rank that needs it: no ring can do with less
     */
    public record Traffic(long keys, long gradients, long fewest) {}
}
