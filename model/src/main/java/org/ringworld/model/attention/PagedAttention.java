package org.ringworld.model.attention;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.PageTable;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * Attention of queries to keys that stand in pages of this rank's memory: of any number of
 * sequences, each with one query or many.
 */
public final class PagedAttention {
    /** Queries of a sequence up to which pages are read where they lie. */
    private static final int FEW = 8;

    /** Pages that are brought together for a sequence with more: one pass of its queries. */
    static final int TOGETHER = 8;

    private final Device device;
    private final Kernels kernels;
    private final LlamaConfig config;
    private final PageMemory memory;
    private final Workspace scratch;
    private final float scale;

    /**
     * Queries of a sequence.
     *
     * @param tokens how many
     * @param pages that they look into, in order; none: they see nothing here
     */
    record Part(int tokens, int[] pages) {}

    /**
     * Queries on the device, sequence by sequence.
     *
     * @param positions I32 [S]
     * @param keyPositions of a sequence with many queries, of all places of its pages; else null
     * @param one zeros: a sequence is one document
     */
    record Queries(
            List<Part> parts,
            Tensor positions,
            PageTable table,
            List<Tensor> keyPositions,
            Tensor one) {}

    /**
     * @param scratch for what is needed within a layer
     */
    public PagedAttention(Device device, LlamaConfig config, PageMemory memory, Workspace scratch) {
        this.device = device;
        this.kernels = device.kernels();
        this.config = config;
        this.memory = memory;
        this.scratch = scratch;
        this.scale = (float) (1 / Math.sqrt(config.headDim()));
    }

    float scale() {
        return scale;
    }

    /**
     * Makes queries ready for all layers; the positions of their pages' tokens are known.
     *
     * @param positions of the queries
     * @param workspace holds what they need until they are done
     */
    Queries prepare(List<Part> parts, int[] positions, Workspace workspace) {
        List<Tensor> keyPositions = new ArrayList<>();
        int longest = 0;
        for (Part part : parts) {
            boolean many = part.tokens > FEW && part.pages.length > 0;
            keyPositions.add(many ? ints(memory.positions(part.pages), workspace) : null);
            longest = many ? Math.max(longest, part.tokens) : longest;
        }
        longest = Math.max(longest, TOGETHER * PageMemory.TOKENS);
        return new Queries(
                parts,
                ints(positions, workspace),
                table(parts, workspace),
                keyPositions,
                ints(new int[longest], workspace));
    }

    /** Sequences with many queries have no pages there: their turn is {@link #many}. */
    private PageTable table(List<Part> parts, Workspace workspace) {
        int[] queries = new int[parts.size() + 1];
        int[] borders = new int[parts.size() + 1];
        IntStream.Builder pages = IntStream.builder();
        for (int b = 0; b < parts.size(); b++) {
            Part part = parts.get(b);
            int[] few = part.tokens > FEW ? new int[0] : part.pages;
            queries[b + 1] = queries[b] + part.tokens;
            borders[b + 1] = borders[b] + few.length;
            IntStream.of(few).map(memory::number).forEach(pages::add);
        }
        return new PageTable(
                ints(queries, workspace),
                ints(borders, workspace),
                ints(pages.build().toArray(), workspace));
    }

    Tensor ints(int[] values, Workspace workspace) {
        Tensor tensor = workspace.take(DType.I32, values.length);
        BlockTensors.copy(device, values, tensor);
        return tensor;
    }

    /**
     * Attends to all keys of the pages; see {@link Kernels#attention}.
     *
     * @param q values [S,H,D], rotated
     * @param out F32 [S,H,D], written
     * @param max F32 [S,H], written
     * @param sum F32 [S,H], written
     */
    void attend(int layer, Queries queries, Tensor q, Tensor out, Tensor max, Tensor sum) {
        kernels.pagedAttention(
                q,
                queries.positions,
                memory.pool(layer),
                memory.slots(layer),
                memory.positions(),
                queries.table,
                scale,
                out,
                max,
                sum);
        int first = 0;
        for (int b = 0; b < queries.parts.size(); b++) {
            int end = first + queries.parts.get(b).tokens;
            if (queries.keyPositions.get(b) != null) {
                many(
                        layer,
                        queries,
                        b,
                        q.rows(first, end),
                        queries.positions.rows(first, end),
                        out.rows(first, end),
                        max.rows(first, end),
                        sum.rows(first, end));
            }
            first = end;
        }
    }

    /** Pages brought together, some at a time, so that queries pass over many keys at once. */
    private void many(
            int layer,
            Queries queries,
            int b,
            Tensor q,
            Tensor positions,
            Tensor out,
            Tensor max,
            Tensor sum) {
        int[] pages = queries.parts.get(b).pages;
        for (int from = 0; from < pages.length; from += TOGETHER) {
            int to = Math.min(pages.length, from + TOGETHER);
            Workspace.Mark mark = scratch.mark();
            Tensor both =
                    scratch.take(
                            q.dtype(),
                            2L * (to - from) * PageMemory.TOKENS,
                            config.numKvHeads(),
                            config.headDim());
            together(layer, pages, from, to, both);
            long n = both.dim(0) / 2;
            kernels.attention(
                    q,
                    positions,
                    queries.one.rows(0, q.dim(0)),
                    both.rows(0, n),
                    both.rows(n, 2 * n),
                    queries.keyPositions
                            .get(b)
                            .rows((long) from * PageMemory.TOKENS, (long) to * PageMemory.TOKENS),
                    queries.one.rows(0, n),
                    scale,
                    out,
                    max,
                    sum);
            scratch.release(mark);
        }
    }

    /** Keys and then values [2n,G,D] of pages [from, to) of some. */
    void together(int layer, int[] pages, int from, int to, Tensor both) {
        long n = both.dim(0) / 2;
        for (int i = from; i < to; i++) {
            long at = (long) (i - from) * PageMemory.TOKENS;
            kernels.copy(memory.keys(layer, pages[i]), both.rows(at, at + PageMemory.TOKENS));
            kernels.copy(
                    memory.values(layer, pages[i]), both.rows(n + at, n + at + PageMemory.TOKENS));
        }
    }
}
