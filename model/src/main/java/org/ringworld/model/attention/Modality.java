package org.ringworld.model.attention;

import java.util.List;
import org.ringworld.checkpoints.hf.LlamaConfig;

/** What a token is of. LWM gives each an embedding and a head of its own (LWM, §4.1). */
public enum Modality {
    TEXT,
    /** Codes of the VQGAN and their end marks. */
    VISION;

    /** Those that a model has tables for. */
    public static List<Modality> of(LlamaConfig config) {
        return config.visionVocabSize() > 0 ? List.of(TEXT, VISION) : List.of(TEXT);
    }

    /** Tokens of its vocabulary; 0 where a model has none. */
    public int vocabSize(LlamaConfig config) {
        return this == TEXT ? config.vocabSize() : config.visionVocabSize();
    }
}
