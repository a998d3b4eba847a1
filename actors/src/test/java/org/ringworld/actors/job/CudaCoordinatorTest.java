package org.ringworld.actors.job;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.checkpoints.snapshot.DeviceShare;
import org.ringworld.model.training.coordination.Progress;
import org.ringworld.model.training.job.Job;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Devices;
import org.ringworld.runtime.cuda.TestCard;

/** A whole job on a card and a processor. */
class CudaCoordinatorTest {
    @TempDir private Path directory;

    @Test
    void aCardAndAProcessorShareRowsByWhatTheyMeasure() throws Exception {
        DeviceSpec card = TestCard.orSkip().getFirst();
        Job job = Jobs.job(directory, 2, "zigzag", DType.F32, 100, Jobs.stage(32, 2, 1e-3, 1));
        CoordinatorTest.Ended ended =
                CoordinatorTest.run(
                        job,
                        List.of(() -> Devices.open(card), CoordinatorTest.cpu()),
                        CoordinatorTest.NOTHING);
        assertThat(ended.last()).isInstanceOf(Progress.Completed.class);
        assertThat(CoordinatorTest.position(directory).shares())
                .extracting(DeviceShare::kind)
                .containsExactlyInAnyOrder("cuda", "cpu (1 thread)");
    }
}
