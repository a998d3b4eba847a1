package org.ringworld.actors;

import java.nio.file.Path;
import org.ringworld.checkpoints.LlamaConfig;

/**
 * What to write.
 *
 * @param config with the rotary base and context length that the weights were last trained with
 * @param tokenizer saved beside the weights
 * @param training what a run needs to go on, or null for the model alone
 */
public record SaveRequest(Path path, LlamaConfig config, String tokenizer, Training training) {
    /** Beside the model and the optimizer's state. */
    public record Training(Job job, int stage, long stepInStage, long tokens, long epoch) {}
}
