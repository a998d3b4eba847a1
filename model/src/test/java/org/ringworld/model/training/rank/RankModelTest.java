package org.ringworld.model.training.rank;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.RopeScaling;
import org.ringworld.model.ring.LocalRing;
import org.ringworld.model.ring.RingBrokenException;
import org.ringworld.model.training.coordination.FinishedSteps;
import org.ringworld.model.training.coordination.Order;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.cpu.CpuDevice;

class RankModelTest {
    private static final LlamaConfig TINY =
            new LlamaConfig(
                    16, 8, 16, 1, 2, 2, 4, 1e-5, 1e4, new RopeScaling.None(), false, 256, 0);

    /** The giver dies before it has sent anything. */
    private static long heldAfterAGiverDied(long step) throws Exception {
        try (Device device = new CpuDevice(1);
                RankModel model =
                        new RankModel(
                                device, new ModelSource.Random(TINY, 1, 0.02), DType.F32, true)) {
            FinishedSteps finished = new FinishedSteps();
            finished.begin(model.startStep());
            Order.Synchronize order = new Order.Synchronize(1, 0, step, List.of());
            LocalRing ring = new LocalRing(2);
            Thread dies = Thread.startVirtualThread(() -> ring.breakUp("rank 0 died"));
            assertThatThrownBy(() -> model.synchronize(finished, ring.member(1), order))
                    .isInstanceOf(RingBrokenException.class);
            dies.join();
            return finished.step();
        }
    }

    @Test
    void whoHoldsAStepKeepsItWhenItsGiverDies() throws Exception {
        assertThat(heldAfterAGiverDied(0)).isZero(); // a new model has finished step 0
    }

    @Test
    void whoIsBehindHoldsNothingWholeWhenItsGiverDies() throws Exception {
        assertThat(heldAfterAGiverDied(1)).isEqualTo(FinishedSteps.NOTHING);
    }
}
