package org.ringworld.model.attention;

import org.ringworld.checkpoints.hf.LlamaConfig;

/** What a token is of. LWM gives each an embedding and a head of its own (LWM, §4.1). */
public enum Modality {
    TEXT,
    /** Codes of the VQGAN and their end marks. */
    VISION;

    /** Tokens of its vocabulary; 0 where a model has none. */
    public int vocabSize(LlamaConfig config) {
        return this == TEXT ? config.vocabSize() : config.visionVocabSize();
    }
}
