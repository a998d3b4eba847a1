package org.ringworld.actors.device;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.RopeScaling;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.training.MemoryUse;
import org.ringworld.model.training.rank.HeldWork;
import org.ringworld.model.training.rank.ModelSource;
import org.ringworld.model.training.rank.RandomSteps;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Devices;

class DeviceBudgetTest {
    private static final int SEQ_LEN = 1024;

    /**
     * Inner values of 64 MiB a rank beside 1 MiB of weights: more than a workspace's first chunk.
     */
    private static final LlamaConfig WIDE =
            new LlamaConfig(
                    32, 8, 4096, 4, 1, 1, 8, 1e-5, 1e4, new RopeScaling.None(), false, 1 << 20, 0);

    @Test
    void eachRankKeepsForBackwardWhatItsOwnDevicesBudgetAllows() {
        ModelSource source = new ModelSource.Random(WIDE, 1, 0.02);
        HeldWork work = new HeldWork("steps", source, DType.F32, true, Recompute.Choice.AUTO);
        List<DeviceSpec> specs =
                List.of(new DeviceSpec.Cpu(1, 1L << 30), new DeviceSpec.Cpu(1, 32L << 20));
        try (DeviceRing ring = new DeviceRing(work, Devices.open(specs), RandomSteps.LAYOUT)) {
            ring.train(RandomSteps.rows(WIDE, SEQ_LEN, SEQ_LEN, 0, specs.size()));
            List<MemoryUse> memory = ring.memory();
            assertThat(memory.get(0).kept()).isGreaterThan(64L << 20);
            assertThat(memory.get(1).kept()).isLessThanOrEqualTo(32L << 20);
        }
    }
}
