package org.ringworld.model.attention;

import java.util.ArrayList;
import java.util.List;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.ring.AllGather;
import org.ringworld.model.ring.Frame;
import org.ringworld.model.ring.Lease;
import org.ringworld.model.ring.Ring;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * Attention of tokens that all ranks have to the pages of all ranks: each rank looks into its own
 * with all heads, and what they found is merged on all (Helix Parallelism, Bhatia et al. 2025,
 * arXiv 2507.07120, §2; Flash-Decoding).
 */
public final class DecodeAttention {
    private final Device device;
    private final Kernels kernels;
    private final LlamaConfig config;
    private final PageMemory memory;
    private final PagedAttention paged;
    private final Ring ring;
    private final Workspace scratch;
    private List<FillAttention.Fill> fills;
    private PagedAttention.Queries queries;
    private long[] sizes;

    public DecodeAttention(
            Device device,
            LlamaConfig config,
            PageMemory memory,
            PagedAttention paged,
            Ring ring,
            Workspace scratch) {
        this.device = device;
        this.kernels = device.kernels();
        this.config = config;
        this.memory = memory;
        this.paged = paged;
        this.ring = ring;
        this.scratch = scratch;
    }

    /**
     * These tokens, a few of each sequence, are computed next.
     *
     * @param workspace holds what they need until they are done
     * @return their positions, I32 [B], sequence by sequence
     */
    public Tensor begin(List<FillAttention.Fill> fills, Workspace workspace) {
        memory.settle();
        this.fills = fills;
        List<PagedAttention.Part> parts = new ArrayList<>();
        int tokens = fills.stream().mapToInt(fill -> fill.to() - fill.from()).sum();
        int[] positions = new int[tokens];
        sizes = new long[ring.size()];
        int row = 0;
        for (FillAttention.Fill fill : fills) {
            SequencePages pages = fill.pages();
            for (int at = fill.from(); at < fill.to(); at++) {
                positions[row++] = at;
                if (pages.rank(at) == ring.rank()) {
                    memory.place(pages.number(at), at % PageMemory.TOKENS, at, 1);
                }
            }
            int[] own = pages.of(ring.rank(), fill.to());
            parts.add(new PagedAttention.Part(fill.to() - fill.from(), own));
            for (int page = 0; page < PageMemory.pages(fill.to()); page++) {
                sizes[pages.ranks()[page]] =
                        AttentionState.size(tokens, config.numHeads(), config.headDim());
            }
        }
        queries = paged.prepare(parts, positions, workspace);
        return queries.positions();
    }

    /**
     * Puts keys and values into the pages of this rank that they belong to, and attends.
     *
     * @param q values [B,H,D], rotated
     * @param k values [B,G,D], rotated
     * @param v values [B,G,D]
     * @param out F32 [B,H,D], written
     * @return until when others read what this rank found, which is of the scratch memory
     */
    public Lease forward(int layer, Tensor q, Tensor k, Tensor v, Tensor out, Frame frame) {
        write(layer, k, v);
        long tokens = q.dim(0);
        AttentionState found = null;
        if (sizes[ring.rank()] > 0) {
            found = AttentionState.take(scratch, tokens, config.numHeads(), config.headDim());
            paged.attend(layer, queries, q, found.out(), found.max(), found.sum());
        }
        memory.complete(layer);
        Tensor max = scratch.take(DType.F32, tokens, config.numHeads());
        Tensor sum = scratch.take(DType.F32, tokens, config.numHeads());
        AttentionState.clear(kernels, out, max, sum);
        return AllGather.run(
                ring,
                device,
                frame,
                DType.F32,
                found == null ? null : found.flat(),
                sizes,
                (_, flat) -> {
                    AttentionState state =
                            AttentionState.in(flat, tokens, config.numHeads(), config.headDim());
                    kernels.attentionMerge(state.out(), state.max(), state.sum(), out, max, sum);
                });
    }

    private void write(int layer, Tensor k, Tensor v) {
        int row = 0;
        for (FillAttention.Fill fill : fills) {
            SequencePages pages = fill.pages();
            for (int at = fill.from(); at < fill.to(); at++, row++) {
                if (pages.rank(at) == ring.rank()) {
                    int number = pages.number(at);
                    int place = at % PageMemory.TOKENS;
                    kernels.copy(k.rows(row, row + 1), memory.keys(layer, number, place, 1));
                    kernels.copy(v.rows(row, row + 1), memory.values(layer, number, place, 1));
                }
            }
        }
    }
}
