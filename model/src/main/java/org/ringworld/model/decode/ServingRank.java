package org.ringworld.model.decode;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Collectors;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.DecodeAttention;
import org.ringworld.model.attention.FillAttention;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.attention.PageMemory;
import org.ringworld.model.attention.PagedAttention;
import org.ringworld.model.attention.SequencePages;
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
    private final JointVocabulary kinds;
    private final Workspace scratch;
    private final PageMemory memory;
    private final PagedAttention paged;
    private final boolean deterministic;
    private final Queue<Serve> inbox = new ConcurrentLinkedQueue<>();

    private final Map<Long, RankText> texts = new LinkedHashMap<>();
    // By number, the pages that are full and whole.
    private final Map<Integer, HeldPage> held = new LinkedHashMap<>();
    // Texts that the last step wrote a token of, in order.
    private List<RankText> chosen = List.of();
    private Ring ring;
    private Prefill prefill;
    private DecodeAttention decoding;
    private SharedLayers shared;
    private final TokenChoice choice;
    private long step;
    private long serve;
    private int left;
    private volatile boolean running;

    /**
     * @param config whose rotary base may differ from the parameters'
     * @param options of which keys' and values' dtype and whether it is deterministic are meant
     * @param pages that this rank has for them
     * @param open how many of them may be partly filled, or be filled in one step
     * @throws OutOfMemoryError where the device has no room for them
     */
    public ServingRank(
            Device device,
            ParameterStore parameters,
            LlamaConfig config,
            ServedModel.Options options,
            int pages,
            int open) {
        this.device = device;
        this.kernels = device.kernels();
        this.parameters = parameters;
        this.config = config;
        this.kinds = JointVocabulary.of(config);
        this.scratch = new Workspace(device);
        this.memory =
                new PageMemory(device, config, options.cache(), parameters.dtype(), pages, open);
        this.paged = new PagedAttention(device, config, memory, scratch);
        this.choice = new TokenChoice(device, scratch);
        this.deterministic = options.deterministic();
        kernels.rowwise(deterministic);
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
        FillAttention filling =
                new FillAttention(
                        device, config, memory, paged, ring, dtype, deterministic, scratch);
        prefill = new Prefill(device, parameters, config, filling, ring, choice, scratch);
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
            Serve next = say == TAKE_NEXT ? takeNext() : null;
            left--;
            if (next == null) {
                return compute(List.of(), start);
            }
            // Whatever they held, it is not that if the ring breaks now.
            next.mirrors().stream()
                    .filter(mirror -> mirror.to().rank() == ring.rank())
                    .forEach(mirror -> held.remove(mirror.to().number()));
            PageMirrors mirrors =
                    PageMirrors.begin(ring, device, memory, Frame.of(step, 4), next.mirrors());
            Made made = compute(next.fills(), start);
            mirrors.await().forEach(this::hold);
            return made;
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
            boolean active = left > 0 && texts.values().stream().anyMatch(ServingRank::decodes);
            head[0] = !inbox.isEmpty() ? TAKE_NEXT : active ? GO_ON : STAND_STILL;
            for (int i = 0; i < chosen.size(); i++) {
                RankText text = chosen.get(i);
                head[1 + i] = text.isOver ? -1 : text.ids[text.length - 1];
            }
        }
        if (ring.size() == 1) {
            chosen = List.of();
            return head[0];
        }
        Tensor own = ring.rank() > 0 ? null : choice.ints(head);
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

    private static boolean decodes(RankText text) {
        return text.isRead && !text.isOver && text.join.ask().most() > 0;
    }

    private Serve takeNext() {
        if (inbox.isEmpty()) {
            ring.awaitUntil(() -> !inbox.isEmpty());
        }
        Serve next = inbox.remove();
        next.leaves().forEach(this::leave);
        for (Serve.Join join : next.joins()) {
            texts.put(join.text(), new RankText(join));
            clearPages(join);
        }
        serve = next.number();
        left = next.ahead();
        return next;
    }

    private void leave(long id) {
        RankText text = texts.remove(id);
        if (text != null) {
            for (int page : text.join.pages().of(ring.rank(), text.ids.length)) {
                memory.release(page);
            }
        }
    }

    /** What a page held of another text must not be seen. */
    private void clearPages(Serve.Join join) {
        int[] ranks = join.pages().ranks();
        for (int i = 0; i < ranks.length; i++) {
            if (ranks[i] == ring.rank() && !join.held().get(i)) {
                int page = join.pages().numbers()[i];
                memory.clear(page);
                held.remove(page);
            }
        }
    }

    /** The pages that are full and whole, whatever ring comes next. */
    public List<HeldPage> held() {
        return List.copyOf(held.values());
    }

    private void hold(HeldPage page) {
        held.put(page.number(), page);
    }

    /** Keys and values of these positions are there: pages that end among them are full. */
    private void hold(RankText text, FillAttention.Fill fill) {
        SequencePages pages = text.join.pages();
        for (int i = fill.from() / PageMemory.TOKENS; i < fill.to() / PageMemory.TOKENS; i++) {
            if (pages.ranks()[i] == ring.rank()) {
                hold(new HeldPage(pages.numbers()[i], text.keys.of(text.ids, i), i));
            }
        }
    }

    // ---- its body

    private Made compute(List<Serve.Fill> fills, long start) {
        List<RankText> decodes = texts.values().stream().filter(ServingRank::decodes).toList();
        List<FillAttention.Fill> together =
                decodes.stream().map(text -> fill(text, text.length - 1, text.length)).toList();
        List<RankText> writes = new ArrayList<>(decodes);
        List<FillAttention.Fill> reads = new ArrayList<>();
        List<RankText> readTexts = new ArrayList<>();
        for (Serve.Fill fill : fills) {
            RankText text = texts.get(fill.text());
            reads.add(fill(text, fill.from(), fill.to()));
            readTexts.add(text);
            text.isRead = fill.to() == text.length;
            if (decodes(text)) {
                writes.add(text);
            }
        }
        Tensor last =
                scratch.take(parameters.dtype(), Math.max(1, writes.size()), config.hiddenSize());
        if (ring.size() == 1) {
            // One device computes all at once: weights are read once.
            reads.addAll(together);
            readTexts.addAll(decodes);
        }
        List<Made.Scores> scores = new ArrayList<>();
        if (!reads.isEmpty()) {
            prefill.run(Frame.of(step, 1), reads, readTexts, writes, last, scores);
        }
        if (ring.size() > 1 && !together.isEmpty()) {
            decode(together, decodes, last);
            for (int i = 0; i < together.size(); i++) {
                hold(decodes.get(i), together.get(i));
            }
        }
        for (int i = 0; i < reads.size(); i++) {
            hold(readTexts.get(i), reads.get(i));
        }
        memory.settle();
        List<Made.Token> tokens = writes.isEmpty() ? List.of() : write(writes, last);
        chosen = writes;
        double seconds = (System.nanoTime() - start) * 1e-9;
        return ring.rank() == 0 || !scores.isEmpty()
                ? new Made(ring.rank(), serve, left, tokens, scores, seconds)
                : null;
    }

    private static FillAttention.Fill fill(RankText text, int from, int to) {
        Ask ask = text.join.ask();
        int last = ask.most() > 0 ? text.length - 1 : to;
        int first = ask.scores() ? ask.firstAsked() : last;
        return new FillAttention.Fill(text.join.pages(), from, to, Math.clamp(first, from, to));
    }

    /** A token more of each of some texts, computed by all ranks together. */
    private void decode(List<FillAttention.Fill> together, List<RankText> decodes, Tensor last) {
        Workspace.Mark mark = scratch.mark();
        Tensor x = last.rows(0, decodes.size());
        Tensor positions = decoding.begin(together, scratch);
        int[] ids = decodes.stream().mapToInt(text -> text.ids[text.length - 1]).toArray();
        kinds.embed(choice, kernels, parameters, ids, x);
        RotaryEmbedding.Angles angles = RotaryEmbedding.angles(kernels, config, positions, scratch);
        shared.forward(x, angles, decoding, Frame.of(step, 2));
        scratch.release(mark);
    }

    /**
     * A token of each text, of the head that it needs next.
     *
     * @param last what the model says of each: values [B,E]
     */
    private List<Made.Token> write(List<RankText> writes, Tensor last) {
        Map<Modality, List<RankText>> byHead =
                writes.stream().collect(Collectors.groupingBy(text -> text.next(kinds)));
        List<Made.Token> tokens = new ArrayList<>();
        for (Modality head : Modality.of(config)) {
            List<RankText> of = byHead.getOrDefault(head, List.of());
            if (!of.isEmpty()) {
                Tensor said = of.size() == writes.size() ? last : rows(of, writes, last);
                tokens.addAll(write(of, head, said.rows(0, of.size())));
            }
        }
        return tokens;
    }

    /** Rows of some texts. */
    private Tensor rows(List<RankText> some, List<RankText> all, Tensor of) {
        Tensor rows = scratch.take(of.dtype(), some.size(), of.dim(1));
        for (int i = 0; i < some.size(); i++) {
            int row = all.indexOf(some.get(i));
            kernels.copy(of.rows(row, row + 1), rows.rows(i, i + 1));
        }
        return rows;
    }

    /** The first rank chooses. */
    private List<Made.Token> write(List<RankText> writes, Modality head, Tensor last) {
        int number = head == Modality.TEXT ? 3 : 5;
        Tensor logits = shared.logits(last, head, Frame.of(step, number));
        if (ring.rank() > 0) {
            return List.of();
        }
        int[] ids = new int[writes.size()];
        float[][] rows = choice.logits(logits);
        for (int i = 0; i < ids.length; i++) {
            RankText text = writes.get(i);
            RankText guide = texts.get(text.join.guide());
            if (guide != null) {
                double scale = text.join.ask().guidance().scale();
                TokenChoice.guide(rows[i], rows[writes.indexOf(guide)], scale);
            }
        }
        for (int i = 0; i < ids.length; i++) {
            ids[i] = choose(writes.get(i), head, rows[i]);
        }
        for (int i = 0; i < ids.length; i++) {
            RankText guide = texts.get(writes.get(i).join.guide());
            if (guide != null) {
                ids[writes.indexOf(guide)] = ids[i];
            }
        }
        double[] logprobs = choice.logprobs(logits, ids);
        List<Made.Token> tokens = new ArrayList<>();
        for (int i = 0; i < ids.length; i++) {
            RankText text = writes.get(i);
            Ask ask = text.join.ask();
            int index = text.written;
            if (text.join.guide() != 0) {
                logprobs[i] = TokenChoice.logprob(rows[i], ids[i]);
            }
            List<Made.Alternative> likeliest =
                    TokenChoice.likeliest(rows[i], ids[i], logprobs[i], ask.alternatives());
            int id = kinds.of(head, ids[i]);
            text.append(id);
            text.isOver = ask.ends().contains(id) || text.written == ask.most();
            tokens.add(
                    new Made.Token(
                            text.join.text(),
                            index,
                            id,
                            logprobs[i],
                            head == Modality.TEXT ? likeliest : kinds.of(head, likeliest),
                            text.isOver));
        }
        return tokens;
    }

    /** A number of the head's vocabulary. */
    private int choose(RankText text, Modality head, float[] logits) {
        Ask ask = text.join.ask();
        return head == Modality.TEXT
                ? ask.sampler().next(logits, text.ids, text.length)
                : ask.frames().next(logits, ask.sampler(), text.ids, text.length, kinds);
    }

    /** Gives all memory back. */
    @Override
    public void close() {
        kernels.rowwise(false);
        memory.close();
        scratch.close();
    }
}
