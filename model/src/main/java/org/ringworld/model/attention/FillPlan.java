package org.ringworld.model.attention;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.ringworld.checkpoints.hf.LlamaConfig;

/**
 * Which rank computes which of the tokens that are read in a step, and how their queries reach keys
 * of other ranks: the same on all ranks, without a word.
 *
 * @param tiles of each rank, in the order of its rows
 * @param sent rows of each rank that are passed to others: its first ones
 * @param helps whether a rank has pages that rows passed by another look into: [helper][asker]
 */
record FillPlan(
        List<FillAttention.Fill> fills,
        List<Way> ways,
        List<List<FillAttention.Tile>> tiles,
        int[] sent,
        boolean[][] helps) {

    /** How the queries of a fill reach keys on other ranks; fills are taken in this order. */
    enum Way {
        PASS_QUERIES,
        PASS_KEYS,
        LOCAL
    }

    /**
     * By what is cheaper.
     *
     * @param pageByPage whether what is read with a page has no say: queries are passed
     */
    static FillPlan of(
            List<FillAttention.Fill> fills, LlamaConfig config, boolean pageByPage, int ranks) {
        return of(fills, fills.stream().map(fill -> way(fill, config, pageByPage)).toList(), ranks);
    }

    static FillPlan of(List<FillAttention.Fill> fills, List<Way> ways, int ranks) {
        List<List<FillAttention.Tile>> tiles = new ArrayList<>();
        int[] sent = new int[ranks];
        for (int rank = 0; rank < ranks; rank++) {
            tiles.add(tiles(fills, ways, rank));
            for (FillAttention.Tile tile : tiles.getLast()) {
                sent[rank] += ways.get(tile.fill()) == Way.PASS_QUERIES ? tile.tokens() : 0;
            }
        }
        return new FillPlan(fills, ways, tiles, sent, helps(fills, ways, tiles));
    }

    /**
     * The published rule: keys and values go where they are fewer than the queries (§3.4, eq. 1).
     */
    private static Way way(FillAttention.Fill fill, LlamaConfig config, boolean pageByPage) {
        if (!fill.pages().isWide(fill.to())) {
            return Way.LOCAL;
        }
        long queries = (long) (fill.to() - fill.from()) * config.numHeads();
        long keysAndValues = 2L * fill.to() * config.numKvHeads();
        return keysAndValues <= queries && !pageByPage ? Way.PASS_KEYS : Way.PASS_QUERIES;
    }

    private static List<FillAttention.Tile> tiles(
            List<FillAttention.Fill> fills, List<Way> ways, int rank) {
        List<FillAttention.Tile> tiles = new ArrayList<>();
        for (int f = 0; f < fills.size(); f++) {
            FillAttention.Fill fill = fills.get(f);
            for (int at = fill.from(); at < fill.to(); ) {
                int to = Math.min(fill.to(), (at / PageMemory.TOKENS + 1) * PageMemory.TOKENS);
                if (fill.pages().rank(at) == rank) {
                    tiles.add(new FillAttention.Tile(f, at, to));
                }
                at = to;
            }
        }
        tiles.sort(Comparator.comparing(tile -> ways.get(tile.fill())));
        return tiles;
    }

    private static boolean[][] helps(
            List<FillAttention.Fill> fills, List<Way> ways, List<List<FillAttention.Tile>> tiles) {
        int size = tiles.size();
        boolean[][] helps = new boolean[size][size];
        for (int asker = 0; asker < size; asker++) {
            for (FillAttention.Tile tile : tiles.get(asker)) {
                FillAttention.Fill fill = fills.get(tile.fill());
                for (int page = 0; page < PageMemory.pages(fill.to()); page++) {
                    helps[fill.pages().ranks()[page]][asker] |=
                            ways.get(tile.fill()) == Way.PASS_QUERIES;
                }
            }
            helps[asker][asker] = false;
        }
        return helps;
    }
}
