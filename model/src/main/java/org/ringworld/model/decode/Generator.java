package org.ringworld.model.decode;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.attention.PageMemory;
import org.ringworld.model.attention.PagedAttention;
import org.ringworld.model.layers.DecoderLayer;
import org.ringworld.model.layers.ParameterStore;
import org.ringworld.model.layers.RotaryEmbedding;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Kernels.Product;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * Text generation on one device, of any number of sequences at once: keys and values lie in pages
 * (PagedAttention, Kwon et al. 2023), so what was read is never computed again, not for another
 * sequence that begins alike either.
 */
public final class Generator implements AutoCloseable {
    /** New tokens of a sequence taken at a time. */
    private static final int CHUNK = 512;

    private final Device device;
    private final Kernels kernels;
    private final ParameterStore parameters;
    private final LlamaConfig config;
    private final Workspace scratch;
    private final List<DecoderLayer> layers;
    private final PageMemory memory;
    private final PageDirectory directory;
    private final PagedAttention attention;
    private final int sequences;
    private int open;

    /** Any number of sequences, whose pages are in the dtype that the model computes in. */
    public Generator(Device device, ParameterStore parameters, LlamaConfig config, int capacity) {
        this(device, parameters, config, capacity, parameters.dtype(), Integer.MAX_VALUE);
    }

    /**
     * @param config whose rotary base may differ from the parameters'
     * @param capacity tokens that there is room for, of all sequences together, each in whole pages
     * @param pageDtype F32, BF16 or I8
     * @param sequences that may be open at a time
     * @throws OutOfMemoryError where the device has no room for them
     */
    public Generator(
            Device device,
            ParameterStore parameters,
            LlamaConfig config,
            int capacity,
            DType pageDtype,
            int sequences) {
        this.device = device;
        this.kernels = device.kernels();
        this.parameters = parameters;
        this.config = config;
        this.scratch = new Workspace(device);
        this.layers = DecoderLayer.of(device, parameters, scratch);
        int pages = PageMemory.pages(capacity);
        this.sequences = sequences;
        // Of each sequence the last page is open, and of one that reads those that it fills.
        int open = (int) Math.min(pages, (long) sequences + PageMemory.pages(CHUNK));
        this.memory = new PageMemory(device, config, pageDtype, parameters.dtype(), pages, open);
        this.directory = new PageDirectory(1, pages, capacity);
        this.attention = new PagedAttention(device, config, memory, scratch);
    }

    /** A text that is read and gone on with. */
    public final class Sequence implements AutoCloseable {
        private final PageDirectory.Sequence place;
        private final int[] pages;
        private final int[] ids;
        private int length;
        private boolean closed;

        private Sequence(PageDirectory.Sequence place, int[] prompt, int most) {
            this.place = place;
            this.pages = place.pages().stream().mapToInt(PageDirectory.Page::number).toArray();
            this.ids = Arrays.copyOf(prompt, most);
            this.length = prompt.length;
        }

        /** Tokens of prompt and answer so far. */
        public int length() {
            return length;
        }

        /** The token that a sampler chooses after them. */
        public int choose(Sampler sampler, float[] logits) {
            return sampler.next(logits, ids, length);
        }

        /** Tokens of the prompt that another sequence had read before. */
        public int cached() {
            return place.cached();
        }

        /** Reads the prompt; the logits after its last token [V]. */
        public float[] readPrompt() {
            return compute(cached());
        }

        /**
         * Reads on.
         *
         * @return the logits after the last of these tokens [V]
         * @throws IllegalArgumentException where they are more than was said
         */
        public float[] read(int... next) {
            append(next);
            return compute(length - next.length);
        }

        private float[] compute(int first) {
            for (int from = first; ; from += CHUNK) {
                int to = Math.min(length, from + CHUNK);
                float[][] logits = forward(List.of(new Part(this, from, to)));
                directory.filled(place, ids, to);
                if (to == length) {
                    return logits[0];
                }
            }
        }

        private void append(int... next) {
            if (length + next.length > ids.length) {
                throw new IllegalArgumentException(
                        "%d tokens do not fit a sequence of %d that has %d"
                                .formatted(next.length, ids.length, length));
            }
            System.arraycopy(next, 0, ids, length, next.length);
            length += next.length;
        }

        /** Its pages may be another's; full ones are found again as long as nobody needs them. */
        @Override
        public void close() {
            if (!closed) {
                closed = true;
                open--;
                for (int page : pages) {
                    memory.release(page);
                }
                directory.close(place);
            }
        }
    }

    /** New tokens [from, to) of a sequence. */
    private record Part(Sequence sequence, int from, int to) {}

    /**
     * Room for a text.
     *
     * @param prompt which it begins with; it is not read yet
     * @param most tokens that it may come to have, the prompt among them
     * @return null where there is no room as long as others are open
     * @throws PageDirectory.TooLongException where there never is
     */
    public Sequence open(int[] prompt, int most) {
        if (prompt.length == 0) {
            throw new IllegalArgumentException("there is nothing to read: the prompt is empty");
        }
        PageDirectory.Sequence place = open < sequences ? directory.open(prompt, most) : null;
        if (place == null) {
            return null;
        }
        open++;
        Sequence sequence = new Sequence(place, prompt, most);
        for (int i = PageMemory.pages(place.cached()); i < sequence.pages.length; i++) {
            memory.clear(sequence.pages[i]);
        }
        return sequence;
    }

    /**
     * One more token of each of some sequences, computed together: weights are read once for all.
     *
     * @return the logits after each [B,V]
     */
    public float[][] next(List<Sequence> sequences, int[] ids) {
        List<Part> parts = new ArrayList<>();
        for (int b = 0; b < ids.length; b++) {
            Sequence sequence = sequences.get(b);
            sequence.append(ids[b]);
            parts.add(new Part(sequence, sequence.length() - 1, sequence.length()));
        }
        float[][] logits = forward(parts);
        sequences.forEach(
                sequence -> directory.filled(sequence.place, sequence.ids, sequence.length));
        return logits;
    }

    private float[][] forward(List<Part> parts) {
        Workspace.Mark mark = scratch.mark();
        int n = parts.stream().mapToInt(part -> part.to - part.from).sum();
        int[] ids = new int[n];
        int[] last = new int[parts.size()];
        List<PagedAttention.Fill> fills = new ArrayList<>();
        int at = 0;
        for (int b = 0; b < last.length; b++) {
            Part part = parts.get(b);
            System.arraycopy(part.sequence.ids, part.from, ids, at, part.to - part.from);
            at += part.to - part.from;
            last[b] = at - 1;
            fills.add(new PagedAttention.Fill(part.sequence.pages, part.from, part.to));
        }
        Tensor positions = attention.begin(fills, scratch);
        RotaryEmbedding.Angles angles = RotaryEmbedding.angles(kernels, config, positions, scratch);
        Tensor x = scratch.take(parameters.dtype(), n, config.hiddenSize());
        kernels.embedding(ints(ids), parameters.embedding(Modality.TEXT), x);
        for (DecoderLayer layer : layers) {
            layer.forward(x, angles, attention);
        }
        float[][] logits = logits(x, last);
        scratch.release(mark);
        return logits;
    }

    private Tensor ints(int[] values) {
        Tensor tensor = scratch.take(DType.I32, values.length);
        try (Arena arena = Arena.ofConfined()) {
            device.copyIn(arena.allocateFrom(ValueLayout.JAVA_INT, values), tensor);
        }
        return tensor;
    }

    /** Of these rows of x [S,E]. */
    private float[][] logits(Tensor x, int[] rows) {
        int count = rows.length;
        Tensor some = scratch.take(x.dtype(), count, x.dim(1));
        for (int b = 0; b < count; b++) {
            kernels.copy(x.rows(rows[b], rows[b] + 1), some.rows(b, b + 1));
        }
        float eps = (float) config.rmsNormEps();
        Tensor rstd = scratch.take(DType.F32, count);
        kernels.rmsNorm(some, parameters.finalNorm(), eps, some, rstd);
        Tensor logits = scratch.take(DType.F32, count, config.vocabSize());
        kernels.matmul(Product.NT, some, parameters.head(Modality.TEXT), logits, false);
        float[][] all = new float[count][config.vocabSize()];
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(logits.bytes(), 64);
            device.copyOut(logits, host);
            for (int b = 0; b < count; b++) {
                MemorySegment.copy(
                        host,
                        ValueLayout.JAVA_FLOAT,
                        (long) b * config.vocabSize() * Float.BYTES,
                        all[b],
                        0,
                        config.vocabSize());
            }
        }
        return all;
    }

    @Override
    public void close() {
        memory.close();
        scratch.close();
    }
}
