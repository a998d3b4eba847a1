package org.ringworld.cli.vision;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import java.nio.file.Path;
import java.util.List;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.model.training.job.DeviceReader;
import org.ringworld.model.training.job.JobFile;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.model.vision.TokenizerRing;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.DeviceSpec;

/**
 * Where and how images are worked on: the {@code key=value} of the vision commands.
 *
 * @param devices of the ring, at least one
 */
record VisionSettings(List<DeviceSpec> devices, DType dtype) {
    private static final Config DEFAULTS =
            ConfigFactory.parseString(
                    "ring.size = 1, device.threads = null, devices = null, dtype = f32");

    static VisionSettings of(List<String> settings) {
        Config given = JobFile.settings(settings, DEFAULTS);
        try {
            int cores = Runtime.getRuntime().availableProcessors();
            return new VisionSettings(
                    DeviceReader.ofRing(given, cores), DType.ofValues(given.getString("dtype")));
        } catch (IllegalArgumentException | ConfigException e) {
            throw new UsageException(e.getMessage());
        }
    }

    /** A tokenizer on each device. */
    TokenizerRing open(Path vqgan) throws CheckpointException {
        return TokenizerRing.open(vqgan, devices, dtype);
    }
}
