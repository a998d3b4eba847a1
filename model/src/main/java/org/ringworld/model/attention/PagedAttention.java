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
 * Attention of new tokens to all that stand in the pages of their sequences, themselves among them:
 * keys and values go into the pages, so what was read is never computed again. A batch holds any
 * number of sequences, each with one new token or many.
 */
public final class PagedAttention implements Attention {
    /** New tokens of a sequence up to which pages are read where they lie. */
    private static final int FEW = 8;

    /** Keys that are brought together for a sequence with more: one pass of its queries. */
    private static final int TOGETHER_TOKENS = 8 * PageMemory.TOKENS;

    private final Device device;
    private final Kernels kernels;
    private final LlamaConfig config;
    private final PageMemory memory;
    private final Workspace scratch;
    private final float scale;
    private Batch batch;

    /**
     * New tokens of a sequence.
     *
     * @param pages that hold its positions 0 to {@code to}, in order: position p at place p mod
     *     {@link PageMemory#TOKENS}
     * @param from position of the first new token
     * @param to behind the last
     */
    public record Fill(int[] pages, int from, int to) {
        int tokens() {
            return to - from;
        }
    }

    /**
     * A batch on the device: tile t of new tokens lies on a page of its own.
     *
     * @param keyPositions of a sequence with many new tokens, of all places of its pages; else null
     * @param one zeros: a sequence is one document
     */
    private record Batch(
            List<Fill> fills,
            int[] borders,
            int[] pages,
            int[] places,
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

    /**
     * These tokens are computed next: all layers put their keys and values into the pages.
     *
     * @param workspace holds what the batch needs until the next one begins
     * @return positions of the new tokens, I32 [S], sequence by sequence
     */
    public Tensor begin(List<Fill> fills, Workspace workspace) {
        memory.settle();
        int[] borders = tileBorders(fills);
        int tiles = borders.length - 1;
        int[] pages = new int[tiles];
        int[] places = new int[tiles];
        int[] positions = new int[borders[tiles]];
        int tile = 0;
        for (Fill fill : fills) {
            for (int at = fill.from; at < fill.to; tile++) {
                pages[tile] = fill.pages[at / PageMemory.TOKENS];
                places[tile] = at % PageMemory.TOKENS;
                int n = borders[tile + 1] - borders[tile];
                memory.place(pages[tile], places[tile], at, n);
                for (int i = 0; i < n; i++) {
                    positions[borders[tile] + i] = at++;
                }
            }
        }
        List<Tensor> keyPositions = new ArrayList<>();
        int longest = 0;
        for (Fill fill : fills) {
            boolean many = fill.tokens() > FEW;
            keyPositions.add(many ? keyPositions(fill, workspace) : null);
            longest = many ? Math.max(longest, Math.max(fill.tokens(), TOGETHER_TOKENS)) : longest;
        }
        batch =
                new Batch(
                        fills,
                        borders,
                        pages,
                        places,
                        ints(positions, workspace),
                        table(fills, workspace),
                        keyPositions,
                        ints(new int[longest], workspace));
        return batch.positions;
    }

    private Tensor keyPositions(Fill fill, Workspace workspace) {
        return ints(memory.positions(fill.pages, PageMemory.pages(fill.to)), workspace);
    }

    /** Where the new tokens of a batch are cut: at each sequence and each page. */
    private static int[] tileBorders(List<Fill> fills) {
        IntStream.Builder borders = IntStream.builder().add(0);
        int token = 0;
        for (Fill fill : fills) {
            for (int at = fill.from; at < fill.to; ) {
                int next = Math.min(fill.to, (at / PageMemory.TOKENS + 1) * PageMemory.TOKENS);
                token += next - at;
                borders.add(token);
                at = next;
            }
        }
        return borders.build().toArray();
    }

    /** Sequences with many new tokens have no pages there: their turn is {@link #many}. */
    private PageTable table(List<Fill> fills, Workspace workspace) {
        int[] queries = new int[fills.size() + 1];
        int[] borders = new int[fills.size() + 1];
        IntStream.Builder pages = IntStream.builder();
        for (int b = 0; b < fills.size(); b++) {
            Fill fill = fills.get(b);
            int few = fill.tokens() > FEW ? 0 : PageMemory.pages(fill.to);
            queries[b + 1] = queries[b] + fill.tokens();
            borders[b + 1] = borders[b] + few;
            for (int i = 0; i < few; i++) {
                pages.add(memory.number(fill.pages[i]));
            }
        }
        return new PageTable(
                ints(queries, workspace),
                ints(borders, workspace),
                ints(pages.build().toArray(), workspace));
    }

    private Tensor ints(int[] values, Workspace workspace) {
        Tensor tensor = workspace.take(DType.I32, values.length);
        BlockTensors.copy(device, values, tensor);
        return tensor;
    }

    @Override
    public KvBlock own(int layer, Workspace workspace) {
        int tiles = batch.pages.length;
        Tensor[] keys = new Tensor[tiles];
        Tensor[] values = new Tensor[tiles];
        for (int t = 0; t < tiles; t++) {
            int n = batch.borders[t + 1] - batch.borders[t];
            keys[t] = memory.keys(layer, batch.pages[t], batch.places[t], n);
            values[t] = memory.values(layer, batch.pages[t], batch.places[t], n);
        }
        return new KvBlock(batch.borders, new Tensor[tiles], keys, values);
    }

    @Override
    public void forward(int layer, Tensor q, KvBlock own, Tensor out, Tensor max, Tensor sum) {
        kernels.pagedAttention(
                q,
                batch.positions,
                memory.pool(layer),
                memory.slots(layer),
                memory.positions(),
                batch.table,
                scale,
                out,
                max,
                sum);
        int first = 0;
        for (int b = 0; b < batch.fills.size(); b++) {
            int end = first + batch.fills.get(b).tokens();
            if (batch.keyPositions.get(b) != null) {
                many(
                        layer,
                        b,
                        q.rows(first, end),
                        batch.positions.rows(first, end),
                        out.rows(first, end),
                        max.rows(first, end),
                        sum.rows(first, end));
            }
            first = end;
        }
        memory.complete(layer);
    }

    /** Pages brought together, some at a time, so that queries pass over many keys at once. */
    private void many(
            int layer, int b, Tensor q, Tensor positions, Tensor out, Tensor max, Tensor sum) {
        Fill fill = batch.fills.get(b);
        int tokens = PageMemory.pages(fill.to) * PageMemory.TOKENS;
        for (int from = 0; from < tokens; from += TOGETHER_TOKENS) {
            int to = Math.min(tokens, from + TOGETHER_TOKENS);
            Workspace.Mark mark = scratch.mark();
            Tensor keys = scratch.take(q.dtype(), to - from, config.numKvHeads(), config.headDim());
            Tensor values = scratch.take(q.dtype(), keys.shape());
            for (int at = from; at < to; at += PageMemory.TOKENS) {
                int page = fill.pages[at / PageMemory.TOKENS];
                int i = at - from;
                kernels.copy(memory.keys(layer, page), keys.rows(i, i + PageMemory.TOKENS));
                kernels.copy(memory.values(layer, page), values.rows(i, i + PageMemory.TOKENS));
            }
            kernels.attention(
                    q,
                    positions,
                    batch.one.rows(0, q.dim(0)),
                    keys,
                    values,
                    batch.keyPositions.get(b).rows(from, to),
                    batch.one.rows(0, to - from),
                    scale,
                    out,
                    max,
                    sum);
            scratch.release(mark);
        }
    }

    @Override
    public void awaitFree() {
        // Nobody else reads the pages.
    }
}
