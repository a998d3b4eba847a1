package org.ringworld.actors.device;

import java.nio.file.Path;
import java.util.List;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.Layout;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.model.training.job.BatchFile;
import org.ringworld.runtime.DType;

/** Where and how a saved model is run on one batch of a file. */
public record Inference(Path model, LlamaConfig config, DType dtype, int ringSize, Layout layout) {
    BatchFile batch(Path file) throws CheckpointException {
        return BatchFile.read(file, config);
    }

    MicroBatch cut(BatchFile batch, int size) {
        return MicroBatch.of(List.of(batch.row()), layout, size);
    }
}
