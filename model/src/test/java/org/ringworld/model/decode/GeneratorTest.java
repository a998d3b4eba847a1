package org.ringworld.model.decode;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.ContiguousLayout;
import org.ringworld.model.attention.PageMemory;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.layers.WholeParameters;
import org.ringworld.model.training.RingPropertyTest;
import org.ringworld.model.training.RingResult;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.tokenizer.packing.Row;

class GeneratorTest {
    private static final int T = PageMemory.TOKENS;
    private static final LlamaConfig CONFIG = RingPropertyTest.config(4, 2, 6, false);

    private static int[] random(long seed, int n) {
        return new SplittableRandom(seed).ints(n, 0, CONFIG.vocabSize()).toArray();
    }

    /** Logits at every place of a text, the whole of it computed at once. */
    private static float[][] whole(int[] ids, DType dtype) {
        int[] none = new int[ids.length];
        Arrays.fill(none, -100);
        Row row =
                new Row(
                        ids,
                        IntStream.range(0, ids.length).toArray(),
                        new int[ids.length],
                        none,
                        new float[ids.length]);
        return RingResult.of(
                        CONFIG,
                        p -> p.initialize(11, 0.3),
                        dtype,
                        row,
                        new ContiguousLayout(),
                        1,
                        8,
                        Recompute.ALL)
                .logits();
    }

    private interface Body {
        void run(Generator generator, Device device);
    }

    private static void with(DType dtype, int capacity, Body test) {
        with(dtype, dtype, 99, capacity, test);
    }

    private static void with(DType dtype, DType pages, int sequences, int capacity, Body test) {
        try (Device device = new CpuDevice(2)) {
            WholeParameters parameters = new WholeParameters(device, CONFIG, dtype);
            parameters.initialize(11, 0.3);
            try (Generator generator =
                    new Generator(device, parameters, CONFIG, capacity, pages, sequences)) {
                test.run(generator, device);
            }
        }
    }

    /** Logits after each of some pieces of a text that are read one after the other. */
    private static float[][] inPieces(DType dtype, DType pages, int[] ids, int... counts) {
        float[][] all = new float[counts.length][];
        with(
                dtype,
                pages,
                1,
                ids.length,
                (generator, _) -> {
                    int[] prompt = Arrays.copyOf(ids, counts[0]);
                    Generator.Sequence sequence = generator.open(prompt, ids.length);
                    int at = counts[0];
                    all[0] = sequence.readPrompt();
                    for (int i = 1; i < counts.length; i++) {
                        all[i] = sequence.read(Arrays.copyOfRange(ids, at, at + counts[i]));
                        at += counts[i];
                    }
                });
        return all;
    }

    /**
     * Full pages are off by half a scale of what is in them, which after two layers is up to 5 % of
     * the logits; a page that is not full is exact.
     */
    @ParameterizedTest
    @CsvSource({"F32, I8, 0.06", "F32, BF16, 0.02", "BF16, I8, 0.08", "BF16, F32, 0.05"})
    void pagesOfAnotherDtypeAreCloseToTheModels(DType dtype, DType pages, double bound) {
        int[][] pieces = {
            {T - 1, 1, 1, 1},
            {T, 1, 1},
            {T + 1, 9, T - 10, 1, 1},
            {3 * T + 250, 1, 9, T - 10, 2}
        };
        for (int[] counts : pieces) {
            int[] ids = random(4, Arrays.stream(counts).sum());
            float[][] right = inPieces(DType.F32, DType.F32, ids, counts);
            float[][] logits = inPieces(dtype, pages, ids, counts);
            double worst = 0;
            for (int i = 0, at = 0; i < counts.length; i++) {
                at += counts[i];
                double off = RingResult.difference(logits[i], right[i]);
                assertThat(off).as("%d of %s", at, Arrays.toString(counts)).isLessThan(bound);
                if (dtype == DType.F32 && at <= T) {
                    assertThat(off).as("open %d", at).isLessThan(1e-6);
                }
                worst = Math.max(worst, off);
            }
            assertThat(worst).as("full pages are converted").isGreaterThan(1e-5);
        }
    }

    /** What the pages give, however tokens were read, is what the whole text gives at once. */
    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16"})
    void logitsDoNotDependOnHowTokensWereRead(DType dtype) {
        double tolerance = dtype == DType.F32 ? 1e-5 : 3e-2;
        int[][] pieces = {
            {1, 5, 1, 1, 9, 6},
            {T - 1, 1, 1},
            {T, 1},
            {T + 1, 1, 7, 9},
            {2 * T - 3, 2, 1, 1, 1, 8},
            {3 * T + 250, 1, T - 123, 1}
        };
        for (int[] counts : pieces) {
            int length = Arrays.stream(counts).sum();
            int[] ids = random(4, length);
            float[][] right = whole(ids, dtype);
            with(
                    dtype,
                    length,
                    (generator, _) -> {
                        Generator.Sequence sequence =
                                generator.open(Arrays.copyOf(ids, counts[0]), length);
                        int at = 0;
                        for (int n : counts) {
                            int[] next = Arrays.copyOfRange(ids, at, at + n);
                            float[] logits = at == 0 ? sequence.readPrompt() : sequence.read(next);
                            at += n;
                            assertThat(RingResult.difference(logits, right[at - 1]))
                                    .as("%d of %s", at, Arrays.toString(counts))
                                    .isLessThan(tolerance);
                        }
                        assertThat(sequence.length()).isEqualTo(length);
                        assertThatThrownBy(() -> sequence.read(1))
                                .hasMessageContaining("do not fit a sequence of " + length);
                    });
        }
    }

    /** Sequences come and go, some begin alike, and each is as if it were alone. */
    @Test
    void sequencesThatAreComputedTogetherAreAsAlone() {
        int[] common = random(1, T + 20);
        int[][] texts = new int[4][];
        for (int i = 0; i < texts.length; i++) {
            texts[i] = Arrays.copyOf(common, T + 20 + 40 * i);
            int[] own = random(20 + i, 40 * i + 1);
            System.arraycopy(own, 0, texts[i], T + 19, own.length);
        }
        with(
                DType.F32,
                9 * T,
                (generator, _) -> {
                    List<Generator.Sequence> open = new ArrayList<>();
                    List<int[]> of = new ArrayList<>();
                    for (int i = 0; i < texts.length; i++) {
                        int prompt = texts[i].length - 12 + i;
                        int[] begin = Arrays.copyOf(texts[i], prompt);
                        Generator.Sequence sequence = generator.open(begin, texts[i].length);
                        assertThat(sequence.cached()).isEqualTo(i == 0 ? 0 : prompt > T ? T : 0);
                        assertRight(sequence.readPrompt(), texts[i], prompt);
                        open.add(sequence);
                        of.add(texts[i]);
                        // The others go on while new ones come.
                        together(generator, open, of, 2);
                    }
                    while (!open.isEmpty()) {
                        for (int b = open.size() - 1; b >= 0; b--) {
                            if (open.get(b).length() == of.get(b).length) {
                                open.remove(b).close();
                                of.remove(b);
                            }
                        }
                        together(generator, open, of, 1);
                    }
                });
    }

    private static void together(
            Generator generator, List<Generator.Sequence> open, List<int[]> of, int steps) {
        for (int step = 0; step < steps; step++) {
            List<Generator.Sequence> going = new ArrayList<>();
            List<int[]> texts = new ArrayList<>();
            for (int b = 0; b < open.size(); b++) {
                if (open.get(b).length() < of.get(b).length) {
                    going.add(open.get(b));
                    texts.add(of.get(b));
                }
            }
            int[] next = new int[going.size()];
            Arrays.setAll(next, b -> texts.get(b)[going.get(b).length()]);
            if (next.length > 0) {
                float[][] logits = generator.next(going, next);
                for (int b = 0; b < next.length; b++) {
                    assertRight(logits[b], texts.get(b), going.get(b).length());
                }
            }
        }
    }

    private static void assertRight(float[] logits, int[] text, int length) {
        float[] right = whole(Arrays.copyOf(text, length), DType.F32)[length - 1];
        assertThat(RingResult.difference(logits, right)).as("%d", length).isLessThan(1e-5);
    }

    /** Slots of open pages go from sequence to sequence, as they end or fill them. */
    @Test
    void sequencesShareTheRoomOfOpenPages() {
        int[][] texts = {random(1, T - 1), random(2, 2 * T + 3), random(3, 40), random(1, 3 * T)};
        List<float[][]> alone = new ArrayList<>();
        for (int[] text : texts) {
            alone.add(inPieces(DType.F32, DType.I8, text, text.length - 3, 1, 1, 1));
        }
        with(
                DType.F32,
                DType.I8,
                2,
                12 * T,
                (generator, device) -> {
                    long before = device.allocated();
                    for (int round = 0; round < 12; round++) {
                        int[] which = {round % 4, (round + 1 + round / 4) % 4};
                        List<Generator.Sequence> open = new ArrayList<>();
                        for (int i : which) {
                            int[] prompt = Arrays.copyOf(texts[i], texts[i].length - 3);
                            open.add(generator.open(prompt, texts[i].length));
                            float[] logits = open.getLast().readPrompt();
                            assertAsAlone(open.getLast(), logits, alone.get(i)[0]);
                        }
                        assertThat(generator.open(texts[2], 41)).as("a third").isNull();
                        for (int step = 0; step < 3; step++) {
                            int[] next = new int[2];
                            for (int b = 0; b < 2; b++) {
                                int[] text = texts[which[b]];
                                next[b] = text[text.length - 3 + step];
                            }
                            float[][] logits = generator.next(open, next);
                            for (int b = 0; b < 2; b++) {
                                assertAsAlone(
                                        open.get(b), logits[b], alone.get(which[b])[step + 1]);
                            }
                        }
                        open.forEach(Generator.Sequence::close);
                        open.getFirst().close(); // again, which changes nothing
                    }
                    assertThat(device.allocated()).isLessThan(before + (64 << 20));
                });
    }

    /** A page that is found again is read from the pool, unlike by the chunk that filled it. */
    private static void assertAsAlone(Generator.Sequence sequence, float[] logits, float[] right) {
        double bound = sequence.cached() > 0 ? 0.06 : 1e-5;
        assertThat(RingResult.difference(logits, right)).isLessThan(bound);
    }

    /** What a model that went wrong left in a page is not seen by who gets the page next. */
    @Test
    void aPageIsClearedForTheNext() {
        with(
                DType.F32,
                T,
                (generator, device) -> {
                    int[] first = random(5, 20);
                    long before = device.allocated();
                    try (Generator.Sequence sequence = generator.open(first, T)) {
                        sequence.readPrompt();
                    }
                    int[] second = random(6, 9);
                    try (Generator.Sequence sequence = generator.open(second, T)) {
                        assertRight(sequence.readPrompt(), second, second.length);
                        assertThat(generator.open(second, T)).as("no room").isNull();
                    }
                    assertThatThrownBy(() -> generator.open(second, T + 1))
                            .isInstanceOf(PageDirectory.TooLongException.class);
                    assertThatThrownBy(() -> generator.open(new int[0], T))
                            .hasMessageContaining("the prompt is empty");
                    assertThat(device.allocated()).isGreaterThanOrEqualTo(before);
                });
    }
}
