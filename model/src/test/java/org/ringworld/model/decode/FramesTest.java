package org.ringworld.model.decode;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.ContiguousLayout;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.attention.PageMemory;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.training.RingPropertyTest;
import org.ringworld.model.training.RingResult;
import org.ringworld.runtime.DType;
import org.ringworld.tokenizer.documents.VisionCodes;
import org.ringworld.tokenizer.packing.Row;

/** Texts that show pictures say what the whole text, computed at once, says at every position. */
class FramesTest {
    private static final int T = PageMemory.TOKENS;
    private static final LlamaConfig CONFIG =
            RingPropertyTest.config(4, 2, 6, false).withVisionVocabSize(8448);
    private static final JointVocabulary KINDS = JointVocabulary.of(CONFIG);
    private static final int[] OPEN = {35, 36};
    private static final int CODES = 5;
    private static final int BOOK = 8000;
    private static final int END = KINDS.of(Modality.VISION, VisionCodes.END_OF_VISION);

    /** Logits of both heads at every place. */
    private static Map<Modality, float[][]> whole(int[] ids) {
        int n = ids.length;
        boolean[] code = new boolean[n];
        int[] own = new int[n];
        int[] none = new int[n];
        Arrays.fill(none, Row.NO_TARGET);
        for (int i = 0; i < n; i++) {
            code[i] = KINDS.isCode(ids[i]);
            own[i] = code[i] ? KINDS.code(ids[i]) : ids[i];
        }
        int[] positions = IntStream.range(0, n).toArray();
        Row row = new Row(own, positions, new int[n], none, new float[n], code, new boolean[n]);
        return RingResult.of(
                        CONFIG,
                        parameters -> parameters.initialize(11, 0.3),
                        DType.F32,
                        row,
                        new ContiguousLayout(),
                        1,
                        8,
                        Recompute.ALL)
                .heads();
    }

    private static ServingRing ring(int size) {
        return ServingRankTest.ring(CONFIG, DType.F32, size, 20, T);
    }

    private static int[] text(int n) {
        return new SplittableRandom(n).ints(n, 0, 30).toArray();
    }

    private static int[] joined(int[]... parts) {
        return Arrays.stream(parts).flatMapToInt(IntStream::of).toArray();
    }

    private static int[] frames(int count) {
        int[] codes = new SplittableRandom(count).ints(count * CODES, 0, 8192).toArray();
        return KINDS.ofCodes(VisionCodes.withEnds(codes, CODES));
    }

    private static Ask ask(int[] prompt, int most, Ask.Guidance guidance, Frames frames) {
        return new Ask(prompt, most, Sampler.GREEDY, Set.of(END), 2, 0, guidance, frames);
    }

    private static List<Made.Token> tokens(Answer answer) throws InterruptedException {
        List<Made.Token> tokens = new ArrayList<>();
        for (Made.Token token = answer.next(); token != null; token = answer.next()) {
            tokens.add(token);
        }
        return tokens;
    }

    private static int[] followed(int[] prompt, List<Made.Token> tokens) {
        return joined(prompt, tokens.stream().mapToInt(Made.Token::id).toArray());
    }

    private static double best(float[] logits, int from, int to) {
        return IntStream.range(from, to).mapToDouble(i -> logits[i]).max().orElseThrow();
    }

    /** A frame of codes, its end, another and the last end: all are the likeliest or forced. */
    private static void assertFrames(Ask ask, List<Made.Token> tokens, int before, int count) {
        int[] ids = followed(ask.prompt(), tokens);
        int[] other = ask.guidance() == null ? ids : followed(ask.guidance().prompt(), tokens);
        float[][] said = whole(ids).get(Modality.VISION);
        float[][] guide = whole(other).get(Modality.VISION);
        assertThat(tokens).hasSize((count - before) * (CODES + 1));
        for (int i = 0; i < tokens.size(); i++) {
            int code = KINDS.code(tokens.get(i).id());
            if (i % (CODES + 1) == CODES) {
                boolean last = i == tokens.size() - 1;
                assertThat(code)
                        .isEqualTo(last ? VisionCodes.END_OF_VISION : VisionCodes.END_OF_FRAME);
                assertThat(tokens.get(i).last()).isEqualTo(last);
                continue;
            }
            float[] logits = said[ask.prompt().length + i - 1].clone();
            if (ask.guidance() != null) {
                float[] u = guide[ask.guidance().prompt().length + i - 1];
                TokenChoice.guide(logits, u, ask.guidance().scale());
            }
            assertThat((double) logits[code]).isCloseTo(best(logits, 0, BOOK), within(1e-3));
        }
    }

    /** On any ring, beside a text that shows none, and beside one that asks about a picture. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void picturesAreWrittenFrameByFrame(int size) throws Exception {
        int[] begin = joined(text(T + 3), OPEN);
        int[] one = joined(text(9), OPEN, Arrays.copyOf(frames(2), CODES + 1));
        Ask image = ask(begin, 99, null, new Frames(OPEN, CODES, BOOK, 2));
        Ask video = ask(one, 99, new Ask.Guidance(OPEN, 2.5), new Frames(OPEN, CODES, BOOK, 3));
        Ask plain = ask(text(7), 12, null, null);
        Ask about =
                ask(joined(OPEN, frames(30), text(4)), 6, null, new Frames(OPEN, CODES, BOOK, 0));
        try (ServingRing ring = ring(size)) {
            List<Answer> answers =
                    List.of(image, video, plain, about).stream().map(ring::ask).toList();
            assertFrames(image, tokens(answers.get(0)), 0, 2);
            // The unconditional stream sees the frames that are written, and not the first.
            assertFrames(video, tokens(answers.get(1)), 1, 3);
            assertText(plain, tokens(answers.get(2)));
            assertText(about, tokens(answers.get(3)));
            assertThat(ring.room()).isEqualTo(20 * size);
        }
    }

    private static void assertText(Ask ask, List<Made.Token> tokens) {
        float[][] said = whole(followed(ask.prompt(), tokens)).get(Modality.TEXT);
        for (int i = 0; i < tokens.size(); i++) {
            float[] logits = said[ask.prompt().length + i - 1];
            assertThat((double) logits[tokens.get(i).id()])
                    .isCloseTo(best(logits, 0, logits.length), within(1e-3));
        }
    }

    /** Told for each by its own head, wherever it lies. */
    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void textAndCodesAreScored(int size) throws Exception {
        int[] ids = joined(text(20), OPEN, frames(40), text(21), OPEN, frames(1));
        Ask ask = new Ask(ids, 0, Sampler.GREEDY, Set.of(), 1, 1);
        Map<Modality, float[][]> whole = whole(ids);
        try (ServingRing ring = ring(size);
                Answer answer = ring.ask(ask)) {
            assertThat(answer.next()).isNull();
            for (int i = 1; i < ids.length; i++) {
                boolean code = KINDS.isCode(ids[i]);
                float[] logits = whole.get(code ? Modality.VISION : Modality.TEXT)[i - 1];
                int own = code ? KINDS.code(ids[i]) : ids[i];
                assertThat((double) answer.scores()[i])
                        .isCloseTo(TokenChoice.logprob(logits, own), within(1e-3));
                assertThat(KINDS.isCode(answer.likeliest(i).getFirst().id())).isEqualTo(code);
            }
        }
    }

    /** The model says itself which frame is the last, and goes on with text behind it. */
    @Test
    void aModelThatIsNotToldHowManyFramesEndsThemItself() {
        Frames frames = new Frames(OPEN, 2, BOOK, 0);
        float[] logits = new float[8448];
        logits[8300] = 9; // never
        logits[BOOK] = 9;
        logits[VisionCodes.END_OF_VISION] = 3;
        logits[77] = 2;
        int[] ids = joined(OPEN, KINDS.ofCodes(new int[] {1, 2, 8192, 5, 6}));
        assertThat(next(frames, logits, ids, 2)).isEqualTo(77);
        assertThat(next(frames, logits, ids, 3)).isEqualTo(77);
        assertThat(next(frames, logits, ids, 4)).isEqualTo(VisionCodes.END_OF_VISION);
        assertThat(next(frames, logits, ids, 5)).isEqualTo(77);
        assertThat(next(frames, logits, ids, 7)).isEqualTo(VisionCodes.END_OF_VISION);
        logits[VisionCodes.END_OF_FRAME] = 4;
        assertThat(next(frames, logits, ids, 7)).isEqualTo(VisionCodes.END_OF_FRAME);
        assertThat(frames.isOpen(ids, 7, KINDS)).isTrue();
        assertThat(frames.isOpen(joined(ids, new int[] {END}), 8, KINDS)).isFalse();
        assertThat(frames.isOpen(new int[] {36}, 1, KINDS)).isFalse();
    }

    private static int next(Frames frames, float[] logits, int[] ids, int length) {
        return frames.next(logits.clone(), Sampler.GREEDY, ids, length, KINDS);
    }
}
