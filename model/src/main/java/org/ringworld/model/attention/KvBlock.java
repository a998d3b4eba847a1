package org.ringworld.model.attention;

import org.ringworld.runtime.DType;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * The keys and values of one rank, or the gradients of both: a list of tiles in order, each its K
 * [n,G,D] and then its V [n,G,D], so that a tile is one run of memory and travels as such.
 *
 * @param borders ends of the tiles: tile t is of tokens [borders[t], borders[t+1])
 * @param tiles [2n,G,D] of each tile; null where the tile is not here, or is not one run of memory
 * @param keys K of each tile
 * @param values V likewise
 */
public record KvBlock(int[] borders, Tensor[] tiles, Tensor[] keys, Tensor[] values) {

    /** A block none of whose tiles is here yet. */
    KvBlock(int[] borders) {
        this(
                borders,
                new Tensor[borders.length - 1],
                new Tensor[borders.length - 1],
                new Tensor[borders.length - 1]);
    }

    /** A single tile of keys and values [n,G,D] that lie apart, which does not travel. */
    static KvBlock of(Tensor keys, Tensor values) {
        int[] borders = {0, Math.toIntExact(keys.dim(0))};
        return new KvBlock(borders, new Tensor[1], new Tensor[] {keys}, new Tensor[] {values});
    }

    /** A whole block in fresh memory. */
    static KvBlock take(Workspace workspace, DType dtype, int[] borders, long heads, long dim) {
        long length = borders[borders.length - 1];
        return in(workspace.take(dtype, 2 * length, heads, dim), borders);
    }

    /** A whole block at the beginning of memory [2S or more,G,D]. */
    static KvBlock in(Tensor memory, int[] borders) {
        KvBlock block = new KvBlock(borders);
        for (int t = 0; t < block.size(); t++) {
            block.set(t, memory.rows(2L * borders[t], 2L * borders[t + 1]));
        }
        return block;
    }

    /** Tiles, here or not. */
    public int size() {
        return keys.length;
    }

    boolean has(int tile) {
        return tiles[tile] != null;
    }

    void set(int tile, Tensor keysAndValues) {
        long n = keysAndValues.dim(0) / 2;
        tiles[tile] = keysAndValues;
        keys[tile] = keysAndValues.rows(0, n);
        values[tile] = keysAndValues.rows(n, 2 * n);
    }
}
