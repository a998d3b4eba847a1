package org.ringworld.model.training.rank;

import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.CausalMask;
import org.ringworld.model.attention.Layout;
import org.ringworld.model.attention.RingShares;
import org.ringworld.model.attention.ZigzagLayout;
import org.ringworld.model.training.AdamW;
import org.ringworld.model.training.LearningRate;
import org.ringworld.model.training.Stage;
import org.ringworld.model.training.StepRows;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.packing.RowStream;

/** Training steps on random tokens, for their time alone: the same in each process. */
public final class RandomSteps {
    public static final Layout LAYOUT = new ZigzagLayout();

    private static final AdamW OPTIMIZER =
            new AdamW(
                    new LearningRate(1e-4, LearningRate.Schedule.CONSTANT, 0, 0, 0),
                    0.9,
                    0.98,
                    1e-8,
                    0.01,
                    1);

    private RandomSteps() {}

    /**
     * The rows of one step.
     *
     * @param step counts from 0
     * @param ringSize ranks
     */
    public static StepRows rows(
            LlamaConfig model, int seqLen, long tokensPerStep, int step, int ringSize) {
        return rows(model, seqLen, tokensPerStep, step, RingShares.even(ringSize));
    }

    /** The same in other shares than even ones. */
    public static StepRows rows(
            LlamaConfig model, int seqLen, long tokensPerStep, int step, RingShares shares) {
        Stage stage =
                new Stage(
                        "random",
                        Stage.Task.TEXT,
                        seqLen,
                        List.of(),
                        1e4,
                        Integer.MAX_VALUE,
                        tokensPerStep,
                        1,
                        OPTIMIZER);
        RowStream stream =
                (at, length, count) ->
                        IntStream.range(0, count)
                                .mapToObj(i -> row(at * count + i, length, model.vocabSize()))
                                .toList();
        return StepRows.of(step + 1, 0, stage, step, stream, LAYOUT, shares, CausalMask.CAUSAL);
    }

    private static Row row(long seed, int length, int vocab) {
        SplittableRandom random = new SplittableRandom(seed);
        float[] weights = new float[length];
        Arrays.fill(weights, 1);
        return new Row(
                random.ints(length, 0, vocab).toArray(),
                IntStream.range(0, length).toArray(),
                new int[length],
                random.ints(length, 0, vocab).toArray(),
                weights);
    }
}
