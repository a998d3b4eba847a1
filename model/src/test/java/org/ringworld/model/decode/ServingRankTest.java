package org.ringworld.model.decode;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.ContiguousLayout;
import org.ringworld.model.attention.PageMemory;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.layers.WholeParameters;
import org.ringworld.model.training.RingPropertyTest;
import org.ringworld.model.training.RingResult;
import org.ringworld.runtime.DType;
import org.ringworld.tokenizer.packing.Row;

/** What a ring writes is what the whole text, computed at once, says at every position. */
class ServingRankTest {
    private static final int T = PageMemory.TOKENS;
    private static final LlamaConfig GROUPED = RingPropertyTest.config(4, 2, 6, false);
    private static final LlamaConfig EACH = RingPropertyTest.config(3, 3, 8, true);

    private static int[] random(long seed, int n, LlamaConfig config) {
        return new SplittableRandom(seed).ints(n, 0, config.vocabSize()).toArray();
    }

    private static void weights(WholeParameters parameters) {
        parameters.initialize(11, 0.3);
    }

    /** Logits at every place of a text, the whole of it computed at once. */
    static float[][] whole(LlamaConfig config, int[] ids, DType dtype) {
        int[] none = new int[ids.length];
        Arrays.fill(none, -100);
        int[] positions = IntStream.range(0, ids.length).toArray();
        Row row = new Row(ids, positions, new int[ids.length], none, new float[ids.length]);
        return RingResult.of(
                        config,
                        ServingRankTest::weights,
                        dtype,
                        row,
                        new ContiguousLayout(),
                        1,
                        8,
                        Recompute.ALL)
                .logits();
    }

    private static double logprob(float[] logits, int id) {
        double greatest = Double.NEGATIVE_INFINITY;
        for (float logit : logits) {
            greatest = Math.max(greatest, logit);
        }
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit - greatest);
        }
        return logits[id] - greatest - Math.log(sum);
    }

    /** By how much a token's logit is above those of all others. */
    private static double ahead(float[] logits, int id) {
        return IntStream.range(0, logits.length)
                .filter(other -> other != id)
                .mapToDouble(other -> (double) logits[id] - logits[other])
                .min()
                .orElseThrow();
    }

    static ServingRing ring(LlamaConfig config, DType dtype, int size, int pages, int shortTokens) {
        return ring(config, dtype, dtype, size, pages, shortTokens);
    }

    static ServingRing ring(
            LlamaConfig config, DType dtype, DType cache, int size, int pages, int shortTokens) {
        var options = new ServedModel.Options(dtype, dtype, cache, false, true);
        return ring(config, options, size, pages, shortTokens, false);
    }

    private static ServingRing ring(
            LlamaConfig config,
            ServedModel.Options options,
            int size,
            int pages,
            int shortTokens,
            boolean mirrored) {
        DType dtype = options.compute();
        return new ServingRing(
                device -> {
                    WholeParameters parameters = new WholeParameters(device, config, dtype);
                    weights(parameters);
                    return parameters;
                },
                config,
                options,
                size,
                pages,
                shortTokens,
                2 * T,
                mirrored);
    }

    private static void assertLikeliest(
            List<Made.Alternative> likeliest, float[] logits, Ask ask, double tolerance) {
        assertThat(likeliest).hasSize(ask.alternatives());
        double[] best =
                IntStream.range(0, logits.length)
                        .mapToDouble(id -> -logprob(logits, id))
                        .sorted()
                        .toArray();
        for (int i = 0; i < likeliest.size(); i++) {
            Made.Alternative one = likeliest.get(i);
            assertThat(one.logprob())
                    .isCloseTo(-best[i], within(tolerance))
                    .isCloseTo(logprob(logits, one.id()), within(tolerance));
        }
    }

    /** Everything that an answer says is what the whole text says. */
    private static int[] assertRight(
            LlamaConfig config, DType dtype, Ask ask, Answer answer, double tolerance)
            throws InterruptedException {
        List<Made.Token> tokens = tokens(answer);
        assertThat(tokens).hasSize(ask.most());
        int prompt = ask.prompt().length;
        int[] ids = Arrays.copyOf(ask.prompt(), prompt + tokens.size());
        for (int i = 0; i < tokens.size(); i++) {
            ids[prompt + i] = tokens.get(i).id();
        }
        float[][] right = whole(config, ids, dtype);
        if (ask.scores()) {
            for (int at = 0; at < prompt; at++) {
                float logprob =
                        at < ask.scoresFrom() ? Float.NaN : (float) logprob(right[at - 1], ids[at]);
                assertThat(answer.scores()[at])
                        .as("position %d of %d", at, prompt)
                        .isCloseTo(logprob, within((float) tolerance));
                double ahead = at < ask.scoresFrom() ? -1 : ahead(right[at - 1], ids[at]);
                if (Math.abs(ahead) > tolerance) {
                    assertThat(answer.hits()[at]).isEqualTo(ahead > 0);
                }
                if (at >= ask.scoresFrom()) {
                    assertLikeliest(answer.likeliest(at), right[at - 1], ask, tolerance);
                }
            }
        }
        for (int i = 0; i < tokens.size(); i++) {
            Made.Token token = tokens.get(i);
            float[] logits = right[prompt + i - 1];
            double best = Double.NEGATIVE_INFINITY;
            for (int id = 0; id < logits.length; id++) {
                best = Math.max(best, logprob(logits, id));
            }
            assertThat(token.index()).isEqualTo(i);
            assertThat(token.last()).isEqualTo(i == ask.most() - 1);
            assertThat(logprob(logits, token.id()))
                    .as("token %d after %d", i, prompt)
                    .isGreaterThan(best - tolerance);
            assertThat(Math.abs(token.logprob() - logprob(logits, token.id())))
                    .as("logprob of token %d after %d", i, prompt)
                    .isLessThan(tolerance);
        }
        return ids;
    }

    @ParameterizedTest
    @CsvSource({"1,true", "2,true", "3,true", "5,true", "1,false", "2,false", "3,false"})
    void ringsWriteWhatTheWholeTextSays(int size, boolean grouped) throws Exception {
        LlamaConfig config = grouped ? GROUPED : EACH;
        try (ServingRing ring = ring(config, DType.F32, size, 12, T)) {
            int all = ring.room();
            for (int prompt : new int[] {1, 9, T - 1, T, T + 1, 2 * T, 3 * T + 17}) {
                int[] ids = random(prompt, prompt, config);
                Ask ask = new Ask(ids, 5, Sampler.GREEDY, Set.of(), 3, 1);
                try (Answer answer = ring.ask(ask)) {
                    int[] so = assertRight(config, DType.F32, ask, answer, 1e-4);
                    // A second turn, which finds what was read for the first.
                    int[] turn = random(prompt + 1, 40, config);
                    int[] more = Arrays.copyOf(so, so.length + turn.length);
                    System.arraycopy(turn, 0, more, so.length, turn.length);
                    Ask again = new Ask(more, 4, Sampler.GREEDY, Set.of(), 2, so.length);
                    try (Answer second = ring.ask(again)) {
                        assertRight(config, DType.F32, again, second, 1e-4);
                        assertThat(second.cached()).isEqualTo((so.length - 1) / T * T);
                    }
                }
            }
            assertThat(ring.room()).isEqualTo(all);
        }
    }

    /** Whoever comes and goes, and whether what it begins with is known already. */
    @ParameterizedTest
    @CsvSource({"1, F32", "3, F32", "1, BF16", "2, BF16"})
    void deterministicTextsAreTheSameBitForBitBesideOthers(int size, DType dtype) throws Exception {
        var options = new ServedModel.Options(dtype, dtype, dtype, true, true);
        int[] ids = random(5, 3 * T + 30, GROUPED);
        Ask ask = new Ask(ids, 40, Sampler.GREEDY, Set.of());
        List<Made.Token> alone;
        try (ServingRing ring = ring(GROUPED, options, size, 60, T, false)) {
            alone = of(0, tokens(ring.ask(ask)));
        }
        try (ServingRing ring = ring(GROUPED, options, size, 60, T, false)) {
            List<Answer> others = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                int[] other = i % 2 == 0 ? random(20 + i, 50 + 61 * i, GROUPED) : ids;
                int[] prompt = Arrays.copyOf(other, Math.min(other.length, 70 * (i + 1)));
                others.add(ring.ask(new Ask(prompt, 10 + 9 * i, Sampler.GREEDY, Set.of())));
                if (i == 3) {
                    others.getFirst().next(); // they are at different places by now
                }
            }
            Answer beside = ring.ask(ask);
            assertThat(of(0, tokens(beside))).isEqualTo(alone);
            for (Answer other : others) {
                tokens(other);
            }
            Answer again = ring.ask(ask);
            assertThat(of(0, tokens(again))).isEqualTo(alone);
            assertThat(again.cached()).isEqualTo(3 * T);
        }
    }

    private static List<Made.Token> of(long text, List<Made.Token> tokens) {
        return tokens.stream()
                .map(
                        t ->
                                new Made.Token(
                                        text,
                                        t.index(),
                                        t.id(),
                                        t.logprob(),
                                        t.alternatives(),
                                        t.last()))
                .toList();
    }

    private static List<Made.Token> tokens(Answer answer) throws InterruptedException {
        List<Made.Token> tokens = new ArrayList<>();
        for (Made.Token next = answer.next(); next != null; next = answer.next()) {
            tokens.add(next);
        }
        return tokens;
    }

    /** Short ones on one rank each, long ones on all, some that begin alike, all at once. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void textsThatAreComputedTogetherAreAsAlone(int size) throws Exception {
        try (ServingRing ring = ring(GROUPED, DType.F32, size, 12, T)) {
            int all = ring.room();
            int[] common = random(1, 2 * T + 20, GROUPED);
            List<Ask> asks = new ArrayList<>();
            List<Answer> answers = new ArrayList<>();
            for (int i = 0; i < 9; i++) {
                int[] ids = Arrays.copyOf(common, i % 3 == 0 ? 20 + i : 2 * T + 20 + i);
                Arrays.fill(ids, 15, 20, i % 2);
                Ask ask = new Ask(ids, 3 + 4 * i, Sampler.GREEDY, Set.of());
                asks.add(ask);
                answers.add(ring.ask(ask));
            }
            answers.get(4).close();
            for (int i = 0; i < asks.size(); i++) {
                if (i != 4) {
                    assertRight(GROUPED, DType.F32, asks.get(i), answers.get(i), 1e-4);
                }
            }
            assertThat(ring.room()).isEqualTo(all);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void roundedValuesAreAsCloseAsTheyAre(int size) throws Exception {
        try (ServingRing ring = ring(GROUPED, DType.BF16, size, 12, T)) {
            for (int prompt : new int[] {9, 2 * T + 17}) {
                int[] ids = random(prompt, prompt, GROUPED);
                Ask ask = new Ask(ids, 5, Sampler.GREEDY, Set.of(), 0, 1);
                try (Answer answer = ring.ask(ask)) {
                    assertRight(GROUPED, DType.BF16, ask, answer, 0.1);
                }
            }
        }
    }

    /** More than there is room for at once wait for it; what never fits is refused with numbers. */
    @Test
    void pagesAreWaitedForAndClearedForTheNext() throws Exception {
        try (ServingRing ring = ring(GROUPED, DType.F32, 2, 2, T)) {
            List<Ask> asks = new ArrayList<>();
            List<Answer> answers = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                int[] ids = random(i, i % 2 == 0 ? 3 * T - 20 : 9, GROUPED);
                asks.add(new Ask(ids, 7, Sampler.GREEDY, Set.of()));
                answers.add(ring.ask(asks.getLast()));
            }
            for (int i = 0; i < asks.size(); i++) {
                assertRight(GROUPED, DType.F32, asks.get(i), answers.get(i), 1e-4);
            }
            assertThat(ring.room()).isEqualTo(4);
            assertRefused(ring, random(1, 4 * T, GROUPED), 1, "room for 512, and 1 more devices");
            assertRefused(ring, new int[0], 1, "the prompt is empty");
            assertRefused(ring, new int[] {1, GROUPED.vocabSize()}, 1, "the model's are 0 to");
            assertRefused(ring, new int[] {1, -1}, 1, "token -1");
            assertRefused(ring, new int[] {1}, Integer.MAX_VALUE, "no length of a text");
            Ask ask = new Ask(random(7, 40, GROUPED), 3, Sampler.GREEDY, Set.of());
            assertRight(GROUPED, DType.F32, ask, ring.ask(ask), 1e-4);
            assertThat(ring.room()).isEqualTo(4);
        }
    }

    private static void assertRefused(Engine engine, int[] prompt, int most, String sentence) {
        Answer answer = engine.ask(new Ask(prompt, most, Sampler.GREEDY, Set.of()));
        assertThatThrownBy(answer::next).hasMessageContaining(sentence);
    }

    /** On a new ring texts are gone on with from what is in the pages. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void pagesOutliveTheirRing(int size) throws Exception {
        try (ServingRing ring = ring(GROUPED, DType.F32, size, 12, T)) {
            List<Ask> asks = new ArrayList<>();
            List<Answer> answers = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                int[] ids = random(i, i % 2 == 0 ? 5 * T - 20 : 90, GROUPED);
                asks.add(new Ask(ids, 60, Sampler.GREEDY, Set.of()));
                answers.add(ring.ask(asks.getLast()));
            }
            for (int i = 0; i < 4; i++) {
                Thread.sleep(30);
                ring.formAnew();
            }
            for (int i = 0; i < asks.size(); i++) {
                assertRight(GROUPED, DType.F32, asks.get(i), answers.get(i), 1e-4);
            }
            assertThat(ring.room()).isEqualTo(12 * size);
        }
    }

    /** Who is left goes on with what it has, and what nobody has is computed anew. */
    @ParameterizedTest
    @CsvSource({"2, F32, false", "3, F32, false", "3, F32, true", "4, F32, true", "3, I8, true"})
    void textsOutliveTheirRanks(int size, DType cache, boolean mirrored) throws Exception {
        var options = new ServedModel.Options(DType.F32, DType.F32, cache, false, true);
        double tolerance = cache == DType.I8 ? 2 : 1e-4;
        try (ServingRing ring = ring(GROUPED, options, size, 40, T, mirrored)) {
            List<Ask> asks = new ArrayList<>();
            List<Answer> answers = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                int[] ids = random(i, i % 2 == 0 ? 5 * T - 20 : 90, GROUPED);
                int scoresFrom = i == 4 ? 1 : 0;
                asks.add(new Ask(ids, 60, Sampler.GREEDY, Set.of(), 0, scoresFrom));
                answers.add(ring.ask(asks.getLast()));
            }
            answers.get(1).next();
            answers.get(3).next();
            Thread.sleep(30);
            ring.formAnew(0);
            if (size > 2) {
                Thread.sleep(30);
                ring.formAnew(1);
            }
            for (int i : new int[] {0, 2, 4}) {
                assertRight(GROUPED, DType.F32, asks.get(i), answers.get(i), tolerance);
            }
            assertThat(tokens(answers.get(1))).hasSize(59);
            assertThat(tokens(answers.get(3))).hasSize(59);
            assertThat(ring.room()).isEqualTo(40 * (size > 2 ? size - 2 : 1));
        }
    }

    /** Of a text whose pages have mirrors, less than a page is read again. */
    @ParameterizedTest
    @CsvSource({"2, F32", "3, F32", "3, I8", "3, BF16"})
    void mirrorsTakeThePlaceOfLostPages(int size, DType cache) throws Exception {
        var options = new ServedModel.Options(DType.F32, DType.F32, cache, false, true);
        try (ServingRing ring = ring(GROUPED, options, size, 40, T, true)) {
            Ask ask = new Ask(random(1, 7 * T + 9, GROUPED), 40, Sampler.GREEDY, Set.of());
            Answer answer = ring.ask(ask);
            for (int i = 0; i < 20; i++) {
                answer.next(); // mirrors come behind the computation
            }
            ring.formAnew(1);
            assertThat(tokens(answer)).hasSize(20);
            assertThat(ring.recomputed()).isBetween(1L, T - 1L);
        }
    }

    /**
     * What is only read is over when every rank has told its part. Pages of others are taken up to
     * the first token after which somebody asks.
     */
    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void promptsAreScoredFromAnywhere(int size) throws Exception {
        try (ServingRing ring = ring(GROUPED, DType.F32, size, 12, T)) {
            for (int prompt : new int[] {1, T, 3 * T + 17}) {
                int[] ids = random(prompt, prompt, GROUPED);
                for (int from : new int[] {1, T - 3, T, 2 * T + 40, 3 * T, 3 * T + 16}) {
                    Ask ask = new Ask(ids, 0, Sampler.GREEDY, Set.of(), 0, from);
                    try (Answer answer = ring.ask(ask)) {
                        assertRight(GROUPED, DType.F32, ask, answer, 1e-4);
                        int first = Math.min(from - 1, prompt - 1);
                        assertThat(answer.cached()).isEqualTo(first / T * T);
                    }
                }
            }
            assertThat(ring.room()).isEqualTo(12 * size);
        }
    }

    /** Two streams get the same tokens, chosen by what tells the one from the other. */
    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void guidedTextsAreChosenByBothStreams(int size) throws Exception {
        double scale = 2.5;
        try (ServingRing ring = ring(GROUPED, DType.F32, size, 12, T)) {
            List<Ask> asks = new ArrayList<>();
            List<Answer> answers = new ArrayList<>();
            for (int[] lengths : new int[][] {{1, 1}, {2 * T + 9, 5}, {5, T + 7}}) {
                Ask.Guidance guidance =
                        new Ask.Guidance(random(lengths[1], lengths[1], GROUPED), scale);
                int[] prompt = random(100 + lengths[0], lengths[0], GROUPED);
                asks.add(new Ask(prompt, 6, Sampler.GREEDY, Set.of(), 0, 0, guidance, null));
                answers.add(ring.ask(asks.getLast()));
            }
            for (int i = 0; i < asks.size(); i++) {
                assertGuided(asks.get(i), answers.get(i), scale);
            }
            assertThat(ring.room()).isEqualTo(12 * size);
        }
    }

    private static void assertGuided(Ask ask, Answer answer, double scale)
            throws InterruptedException {
        int[] one = ask.prompt();
        int[] other = ask.guidance().prompt();
        for (int n = 0; n < ask.most(); n++) {
            Made.Token token = answer.next();
            float[] c = whole(GROUPED, one, DType.F32)[one.length - 1];
            float[] u = whole(GROUPED, other, DType.F32)[other.length - 1];
            TokenChoice.guide(c, u, scale);
            double best = Double.NEGATIVE_INFINITY;
            for (int id = 0; id < c.length; id++) {
                best = Math.max(best, logprob(c, id));
            }
            assertThat(logprob(c, token.id())).isGreaterThan(best - 1e-3);
            assertThat(Math.abs(token.logprob() - logprob(c, token.id()))).isLessThan(1e-3);
            one = Arrays.copyOf(one, one.length + 1);
            other = Arrays.copyOf(other, other.length + 1);
            one[one.length - 1] = token.id();
            other[other.length - 1] = token.id();
        }
    }

    /**
     * Full pages are off by half a scale of what is in them: logprobs by up to some percent of the
     * range of logits. They outlive their ring like others.
     */
    @ParameterizedTest
    @CsvSource({"1, I8, 2", "3, I8, 2", "1, BF16, 0.5", "2, BF16, 0.5"})
    void pagesOfAnotherDtypeAreClose(int size, DType cache, double tolerance) throws Exception {
        try (ServingRing ring = ring(GROUPED, DType.F32, cache, size, 100, T)) {
            List<Ask> asks = new ArrayList<>();
            List<Answer> answers = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                int[] ids = random(i, i % 2 == 0 ? 3 * T - 20 : 90, GROUPED);
                asks.add(new Ask(ids, 120, Sampler.GREEDY, Set.of()));
                answers.add(ring.ask(asks.getLast()));
            }
            for (int i = 0; i < 25; i++) {
                Thread.sleep(8);
                ring.formAnew(); // open pages are given back each time
            }
            for (int i = 0; i < asks.size(); i++) {
                assertRight(GROUPED, DType.F32, asks.get(i), answers.get(i), tolerance);
            }
            assertThat(ring.room()).isEqualTo(100 * size);
        }
    }
}
