package org.ringworld.model;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * The keys and values of one rank, or the gradients of both: a list of tiles in order, each its K
 * [n,G,D] and then its V [n,G,D], so that a tile is one run of memory and travels as such.
 *
 * @param keys K of each tile; null where the tile is not here
 * @param values V likewise
 */
record KvBlock(Tensor[] keys, Tensor[] values) {

    /** A whole block in fresh memory. */
    static KvBlock take(Workspace workspace, DType dtype, RingPlan plan, long heads, long dim) {
        Tensor memory = workspace.take(dtype, 2L * plan.blockLength(), heads, dim);
        int tiles = plan.tiles();
        KvBlock block = new KvBlock(new Tensor[tiles], new Tensor[tiles]);
        for (int t = 0; t < tiles; t++) {
            long start = plan.borders()[t];
            long end = plan.borders()[t + 1];
            block.keys[t] = memory.rows(2 * start, start + end);
            block.values[t] = memory.rows(start + end, 2 * end);
        }
        return block;
    }

    /** What travels when a set of tiles is sent: K and V of each in turn. */
    List<Tensor> tensors(BitSet tiles) {
        List<Tensor> list = new ArrayList<>(2 * tiles.cardinality());
        tiles.stream()
                .forEach(
                        t -> {
                            list.add(keys[t]);
                            list.add(values[t]);
                        });
        return list;
    }

    /** The block that arrives as such a list. */
    static KvBlock of(List<Tensor> tensors, BitSet tiles, RingPlan plan) {
        KvBlock block = new KvBlock(new Tensor[plan.tiles()], new Tensor[plan.tiles()]);
        int next = 0;
        for (int t = tiles.nextSetBit(0); t >= 0; t = tiles.nextSetBit(t + 1)) {
            block.keys[t] = tensors.get(next++);
            block.values[t] = tensors.get(next++);
        }
        return block;
    }
}
