package org.ringworld.model.training.coordination;

import com.typesafe.config.ConfigFactory;
import java.util.List;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobFile;
import org.ringworld.model.training.job.JobReader;

/** A job of two stages whose model is of no use. */
final class SmallJob {
    private SmallJob() {}

    /** Stages of 6 and {@code steps} − 6 steps. */
    static Job of(int ring, int minimum, int steps, int snapshotEvery, String... more) {
        String text =
                """
                output = out
                ring { size = %d, minSize = %d }
                device.threads = 1
                model { hiddenSize = 16, headDim = 8, intermediateSize = 24 }
                snapshot.everySteps = %d
                stages = [{ task = copy, seqLen = 32, steps = 6 },
                          { task = copy, seqLen = 64, steps = %d }]
                """
                        .formatted(ring, minimum, snapshotEvery, steps - 6);
        return JobReader.read(
                JobFile.resolve(ConfigFactory.parseString(text), List.of(more)), ring);
    }
}
