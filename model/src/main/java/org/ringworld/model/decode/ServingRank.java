package org.ringworld.model.decode;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.DecodeAttention;
import org.ringworld.model.attention.FillAttention;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.attention.PageMemory;
import org.ringworld.model.attention.PagedAttention;
import org.ringworld.model.layers.DecoderLayer;
import org.ringworld.model.layers.ParameterStore;
import org.ringworld.model.layers.RotaryEmbedding;
import org.ringworld.model.layers.SharedLayers;
import org.ringworld.model.ring.AllGather;
import org.ringworld.model.ring.Frame;
import org.ringworld.model.ring.Frame.Pass;
import org.ringworld.model.ring.Lease;
import org.ringworld.model.ring.Ring;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * A rank's part of inference: its pages, and steps in which all ranks do the same at the same time.
 * What is read is cut by pages, each rank computing its own tokens ({@link FillAttention}); what is
 * decoded is computed by all together ({@link SharedLayers}). The first rank chooses tokens; they
 * and what comes next head its next step's frames.
 */
public final class ServingRank implements AutoCloseable {
    /** What the first rank says at the head of a step. */
    private static final int GO_ON = 0;

    private static final int TAKE_NEXT = 1;
    private static final int STAND_STILL = 2;

    private final Device device;
    private final Kernels kernels;
    private final ParameterStore parameters;
    private final LlamaConfig config;
    private final Workspace scratch;
    private final PageMemory memory;
    private final PagedAttention paged;
    private final List<DecoderLayer> layers;
    private final Queue<Serve> inbox = new ConcurrentLinkedQueue<>();

    private final Map<Long, Text> texts = new LinkedHashMap<>();
    // Texts that the last step wrote a token of, in order.
    private List<Text> chosen = List.of();
    private Ring ring;
    private FillAttention filling;
    private DecodeAttention decoding;
    private SharedLayers shared;
    private TokenChoice choice;
    private long step;
    private long serve;
    private int left;
    private volatile boolean running;

    /** A text as a rank knows it. */
    private static final class Text {
        final Serve.Join join;
        final int[] ids;
        int length;
        int written;
        boolean isRead;
        boolean isOver;

        Text(Serve.Join join) {
            this.join = join;
            this.ids = Arrays.copyOf(join.ids(), join.ask().longest());
            this.length = join.ids().length;
            this.written = join.written();
        }

        void append(int id) {
            ids[length++] = id;
            written++;
        }
    }

    /** Rows of new tokens: which texts get a token after them. */
    private record Batch(List<Serve.Fill> fills, List<Text> decodes) {}

    /**
     * @param config whose rotary base may differ from the parameters'
     * @param pageDtype that keys and values are kept in: F32, BF16 or I8
     * @param pages that this rank has for them
     * @param open how many of them may be partly filled, or be filled in one step
     * @throws OutOfMemoryError where the device has no room for them
     */
    public ServingRank(
            Device device,
            ParameterStore parameters,
            LlamaConfig config,
            DType pageDtype,
            int pages,
            int open) {
        this.device = device;
        this.kernels = device.kernels();
        this.parameters = parameters;
        this.config = config;
        this.scratch = new Workspace(device);
        this.memory = new PageMemory(device, config, pageDtype, parameters.dtype(), pages, open);
        this.paged = new PagedAttention(device, config, memory, scratch);
        this.layers = DecoderLayer.of(device, parameters, scratch);
        this.choice = new TokenChoice(device, scratch);
    }

    /** Becomes one of a ring; it knows no texts any more, but its pages are as they were. */
    public void join(Ring newRing) {
        ring = newRing;
        memory.abandon();
        texts.clear();
        chosen = List.of();
        inbox.clear();
        running = false;
        step = 0; // all ranks count the same, wherever the last ring broke
        left = 0;
        DType dtype = parameters.dtype();
        filling = new FillAttention(device, config, memory, paged, ring, dtype, scratch);
        decoding = new DecodeAttention(device, config, memory, paged, ring, scratch);
        shared = new SharedLayers(device, parameters, ring, scratch);
    }

    /** From any thread: what is to be done from some step on. */
    public void take(Serve next) {
        inbox.add(next);
    }

    /** Whether a step would do something. */
    public boolean hasWork() {
        return running || !inbox.isEmpty();
    }

    /**
     * One step, with all other ranks.
     *
     * @return what came of it; null where this rank has nothing to tell
     */
    public Made step() {
        long start = System.nanoTime();
        Workspace.Mark mark = scratch.mark();
        try {
            int say = head();
            running = say != STAND_STILL;
            if (!running) {
                return null;
            }
            List<Serve.Fill> fills = say == TAKE_NEXT ? takeNext() : List.of();
            left--;
            return compute(fills, start);
        } finally {
            scratch.release(mark);
        }
    }

    // ---- the head of a step

    /** Tells the others, or hears, how the last step's texts go on and what is done now. */
    private int head() {
        step++;
        int[] head = new int[1 + chosen.size()];
        if (ring.rank() == 0) {
            boolean active = left > 0 && texts.values().stream().anyMatch(this::decodes);
            head[0] = !inbox.isEmpty() ? TAKE_NEXT : active ? GO_ON : STAND_STILL;
            for (int i = 0; i < chosen.size(); i++) {
                Text text = chosen.get(i);
                head[1 + i] = text.isOver ? -1 : text.ids[text.length - 1];
            }
        }
        if (ring.size() == 1) {
            chosen = List.of();
            return head[0];
        }
        Tensor own = ring.rank() > 0 ? null : paged(head);
        long[] sizes = new long[ring.size()];
        sizes[0] = head.length;
        Frame frame = Frame.of(step, 0).of(Pass.DECODE, 0, 0, 0);
        Lease lease =
                AllGather.run(
                        ring,
                        device,
                        frame,
                        DType.I32,
                        own,
                        sizes,
                        (_, said) -> choice.copyOut(said, head));
        lease.awaitFree(ring, device);
        if (ring.rank() > 0) {
            for (int i = 0; i < chosen.size(); i++) {
                if (head[1 + i] < 0) {
                    chosen.get(i).isOver = true;
                } else {
                    chosen.get(i).append(head[1 + i]);
                }
            }
        }
        chosen = List.of();
        return head[0];
    }

    private Tensor paged(int[] values) {
        return choice.ints(values);
    }

    private boolean decodes(Text text) {
        return text.isRead && !text.isOver && text.join.ask().most() > 0;
    }

    private List<Serve.Fill> takeNext() {
        if (inbox.isEmpty()) {
            ring.awaitUntil(() -> !inbox.isEmpty());
        }
        Serve next = inbox.remove();
        next.leaves().forEach(this::leave);
        for (Serve.Join join : next.joins()) {
            texts.put(join.text(), new Text(join));
            clearPages(join);
        }
        serve = next.number();
        left = next.ahead();
        return next.fills();
    }

    private void leave(long id) {
        Text text = texts.remove(id);
        if (text != null) {
            for (int page : text.join.pages().of(ring.rank(), text.ids.length)) {
                memory.release(page);
            }
        }
    }

    /** What a page held of another text must not be seen. */
    private void clearPages(Serve.Join join) {
        int[] ranks = join.pages().ranks();
        for (int i = PageMemory.pages(join.filled()); i < ranks.length; i++) {
            if (ranks[i] == ring.rank()) {
                memory.clear(join.pages().numbers()[i]);
            }
        }
    }

    // ---- its body

    private Made compute(List<Serve.Fill> fills, long start) {
        List<Text> decodes = texts.values().stream().filter(this::decodes).toList();
        List<Text> writes = new ArrayList<>(decodes);
        for (Serve.Fill fill : fills) {
            Text text = texts.get(fill.text());
            text.isRead = fill.to() == text.length;
            if (decodes(text)) {
                writes.add(text);
            }
        }
        Tensor last =
                scratch.take(parameters.dtype(), Math.max(1, writes.size()), config.hiddenSize());
        List<FillAttention.Fill> reads = new ArrayList<>();
        List<FillAttention.Fill> together = new ArrayList<>();
        fills.forEach(fill -> reads.add(fill(texts.get(fill.text()), fill.from(), fill.to())));
        decodes.forEach(text -> together.add(fill(text, text.length - 1, text.length)));
        List<Text> readTexts = new ArrayList<>();
        fills.forEach(fill -> readTexts.add(texts.get(fill.text())));
        if (ring.size() == 1) {
            // One device computes all at once: weights are read once.
            reads.addAll(together);
            readTexts.addAll(decodes);
        }
        List<Made.Scores> scores = new ArrayList<>();
        if (!reads.isEmpty()) {
            read(reads, readTexts, writes, last, scores);
        }
        if (ring.size() > 1 && !together.isEmpty()) {
            decode(together, decodes, last);
        }
        List<Made.Token> tokens = writes.isEmpty() ? List.of() : write(writes, last);
        chosen = writes;
        double seconds = (System.nanoTime() - start) * 1e-9;
        return ring.rank() == 0 || !scores.isEmpty()
                ? new Made(ring.rank(), serve, left, tokens, scores, seconds)
                : null;
    }

    private static FillAttention.Fill fill(Text text, int from, int to) {
        return new FillAttention.Fill(text.join.pages(), from, to);
    }

    /**
     * Keys and values of what is read; each rank has tokens of its own.
     *
     * @param of the texts
     * @param last is given what the model says after the last token of those that are written on
     */
    private void read(
            List<FillAttention.Fill> reads,
            List<Text> of,
            List<Text> writes,
            Tensor last,
            List<Made.Scores> scores) {
        Workspace.Mark mark = scratch.mark();
        Frame frame = Frame.of(step, 1);
        List<FillAttention.Tile> tiles = filling.begin(reads, frame, scratch);
        int n = tiles.stream().mapToInt(tile -> tile.to() - tile.from()).sum();
        Tensor x = null;
        if (n > 0) {
            x = scratch.take(parameters.dtype(), n, config.hiddenSize());
            int[] ids = new int[n];
            int row = 0;
            for (FillAttention.Tile tile : tiles) {
                int count = tile.to() - tile.from();
                System.arraycopy(of.get(tile.fill()).ids, tile.from(), ids, row, count);
                row += count;
            }
            embed(ids, x);
            RotaryEmbedding.Angles angles =
                    RotaryEmbedding.angles(kernels, config, filling.positions(), scratch);
            for (DecoderLayer layer : layers) {
                layer.forward(x, angles, filling);
            }
        } else {
            for (int layer = 0; layer < config.numLayers(); layer++) {
                filling.help(layer);
            }
        }
        lastRows(reads, of, tiles, x, writes, last, frame);
        score(of, tiles, x, scores);
        scratch.release(mark);
    }

    private void embed(int[] ids, Tensor x) {
        kernels.embedding(choice.ints(ids), parameters.embedding(Modality.TEXT), x);
    }

    /** The rank that has a text's last token gives what it made of it to all. */
    private void lastRows(
            List<FillAttention.Fill> reads,
            List<Text> of,
            List<FillAttention.Tile> tiles,
            Tensor x,
            List<Text> writes,
            Tensor last,
            Frame frame) {
        List<List<Integer>> rowsOf = new ArrayList<>(); // of each rank, rows of last
        for (int rank = 0; rank < ring.size(); rank++) {
            rowsOf.add(new ArrayList<>());
        }
        for (int f = 0; f < reads.size(); f++) {
            FillAttention.Fill fill = reads.get(f);
            int row = writes.indexOf(of.get(f));
            if (row >= 0 && fill.to() == of.get(f).length) {
                rowsOf.get(fill.pages().rank(fill.to() - 1)).add(row);
            }
        }
        List<Integer> own = rowsOf.get(ring.rank());
        int at = 0;
        for (FillAttention.Tile tile : tiles) {
            at += tile.to() - tile.from();
            Text text = of.get(tile.fill());
            int row = tile.to() == text.length ? writes.indexOf(text) : -1;
            if (row >= 0) {
                kernels.copy(x.rows(at - 1, at), last.rows(row, row + 1));
            }
        }
        if (ring.size() == 1) {
            return;
        }
        long[] sizes = new long[ring.size()];
        for (int rank = 0; rank < sizes.length; rank++) {
            sizes[rank] = rowsOf.get(rank).size() * config.hiddenSize();
        }
        Tensor sent = null;
        if (!own.isEmpty()) {
            sent = scratch.take(last.dtype(), own.size(), config.hiddenSize());
            for (int i = 0; i < own.size(); i++) {
                kernels.copy(last.rows(own.get(i), own.get(i) + 1), sent.rows(i, i + 1));
            }
            sent = sent.view(sent.size());
        }
        Lease lease =
                AllGather.run(
                        ring,
                        device,
                        frame.of(Pass.DECODE, 0, 0, 0),
                        last.dtype(),
                        sent,
                        sizes,
                        (rank, part) -> {
                            List<Integer> rows = rowsOf.get(rank);
                            Tensor some = part.view(rows.size(), config.hiddenSize());
                            for (int i = 0; i < rows.size() && rank != ring.rank(); i++) {
                                int row = rows.get(i);
                                kernels.copy(some.rows(i, i + 1), last.rows(row, row + 1));
                            }
                        });
        lease.awaitFree(ring, device);
    }

    /** How likely the tokens after this rank's own were, where somebody asks. */
    private void score(
            List<Text> of, List<FillAttention.Tile> tiles, Tensor x, List<Made.Scores> scores) {
        int at = 0;
        for (FillAttention.Tile tile : tiles) {
            int n = tile.to() - tile.from();
            Text text = of.get(tile.fill());
            int prompt = text.join.ask().prompt().length;
            int to = Math.min(tile.to(), prompt - 1);
            if (text.join.ask().scores() && to > tile.from()) {
                int[] targets = Arrays.copyOfRange(text.ids, tile.from() + 1, to + 1);
                float[] logprobs =
                        choice.score(parameters, config, x.rows(at, at + targets.length), targets);
                scores.add(new Made.Scores(text.join.text(), tile.from() + 1, logprobs));
            }
            at += n;
        }
    }

    /** A token more of each of some texts, computed by all ranks together. */
    private void decode(List<FillAttention.Fill> together, List<Text> decodes, Tensor last) {
        Workspace.Mark mark = scratch.mark();
        Tensor x = last.rows(0, decodes.size());
        Tensor positions = decoding.begin(together, scratch);
        embed(decodes.stream().mapToInt(text -> text.ids[text.length - 1]).toArray(), x);
        RotaryEmbedding.Angles angles = RotaryEmbedding.angles(kernels, config, positions, scratch);
        shared.forward(x, angles, decoding, Frame.of(step, 2));
        scratch.release(mark);
    }

    /** The first rank chooses. */
    private List<Made.Token> write(List<Text> writes, Tensor last) {
        Tensor logits = shared.logits(last.rows(0, writes.size()), Frame.of(step, 3));
        if (ring.rank() > 0) {
            return List.of();
        }
        int[] ids = new int[writes.size()];
        float[][] rows = choice.logits(logits);
        for (int i = 0; i < ids.length; i++) {
            Text text = writes.get(i);
            Text guide = texts.get(text.join.guide());
            if (guide != null) {
                double scale = text.join.ask().guidance().scale();
                TokenChoice.guide(rows[i], rows[writes.indexOf(guide)], scale);
            }
            ids[i] = text.join.ask().sampler().next(rows[i], text.ids, text.length);
        }
        for (int i = 0; i < ids.length; i++) {
            Text guide = texts.get(writes.get(i).join.guide());
            if (guide != null) {
                ids[writes.indexOf(guide)] = ids[i];
            }
        }
        double[] logprobs = choice.logprobs(logits, ids);
        List<Made.Token> tokens = new ArrayList<>();
        for (int i = 0; i < ids.length; i++) {
            Text text = writes.get(i);
            Ask ask = text.join.ask();
            int index = text.written;
            if (text.join.guide() != 0) {
                logprobs[i] = TokenChoice.logprob(rows[i], ids[i]);
            }
            text.append(ids[i]);
            text.isOver = ask.ends().contains(ids[i]) || text.written == ask.most();
            tokens.add(
                    new Made.Token(
                            text.join.text(),
                            index,
                            ids[i],
                            logprobs[i],
                            TokenChoice.likeliest(rows[i], ids[i], logprobs[i], ask.alternatives()),
                            text.isOver));
        }
        return tokens;
    }

    /** Gives all memory back. */
    @Override
    public void close() {
        memory.close();
        scratch.close();
    }
}
