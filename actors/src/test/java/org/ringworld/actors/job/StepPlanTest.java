package org.ringworld.actors.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.CausalMask;
import org.ringworld.model.attention.Layout;
import org.ringworld.model.attention.RingShares;
import org.ringworld.model.attention.ZigzagLayout;
import org.ringworld.model.training.Flops;
import org.ringworld.model.training.LossPart;
import org.ringworld.model.training.Stage;
import org.ringworld.model.training.StepPlan;
import org.ringworld.model.training.StepRows;
import org.ringworld.tokenizer.packing.Row;

class StepPlanTest {
    /** Weights as documents and modalities share them out; two of three targets are codes. */
    private static final Row ROW =
            new Row(
                    new int[] {1, 2, 3, 4, 5},
                    new int[] {0, 1, 2, 3, 4},
                    new int[] {0, 0, 0, 0, 0},
                    new int[] {2, 3, 4, 5, Row.NO_TARGET},
                    new float[] {0.001f, 0, 1, 3, 0},
                    new boolean[] {false, true, true, false, false},
                    new boolean[] {true, true, false, false, true});

    private static StepPlan plan(Stage.Task task, int ringSize) {
        Stage of = Jobs.stage(5, 1, 1e-2, 1);
        Stage stage =
                new Stage(
                        "made",
                        task,
                        of.seqLen(),
                        of.mix(),
                        of.ropeTheta(),
                        of.steps(),
                        of.seqLen(),
                        1,
                        of.optimizer());
        Layout layout = new ZigzagLayout();
        return StepRows.of(
                        1,
                        0,
                        stage,
                        0,
                        (_, _, _) -> List.of(ROW),
                        layout,
                        RingShares.even(ringSize),
                        CausalMask.CAUSAL)
                .step();
    }

    @ParameterizedTest
    @CsvSource({"TEXT,1,3", "TEXT,3,3", "COPY,1,2", "COPY,2,2"})
    void answersOfATextAreAllTargetsWithWeight(Stage.Task task, int ringSize, long answers) {
        assertThat(plan(task, ringSize).parts().stream().mapToLong(LossPart.Targets::answers).sum())
                .isEqualTo(answers);
    }

    @Test
    void aTargetCostsItsOwnHead() {
        LlamaConfig text = Jobs.MODEL;
        LlamaConfig both = text.withVisionVocabSize(1000);
        StepPlan plan = plan(Stage.Task.TEXT, 2);
        assertThat(plan.visionTargets()).isEqualTo(2);
        double more = Flops.training(both, plan) - Flops.forward(both, 5, 0, 15) * 3;
        assertThat(more)
                .isCloseTo(6.0 * 2 * text.hiddenSize() * (1000 - text.vocabSize()), within(1e-3));
    }
}
