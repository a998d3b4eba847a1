package org.ringworld.cli;

import java.nio.file.Path;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.chat.ChatTemplate;

/** A saved model with the tokenizer beside it, to be asked in text. */
public record TextModel(InferenceSettings on, Tokenizer tokenizer, Path directory) {
    public static TextModel open(InferenceSettings on) throws CheckpointException, DataException {
        try (ModelFiles files = on.open()) {
            return new TextModel(on, tokenizer(files), files.directory());
        }
    }

    /** The model's own tokenizer; one that the vocabulary does not hold is refused. */
    public static Tokenizer tokenizer(ModelFiles files) throws DataException {
        Tokenizer tokenizer = Tokenizer.load(files.directory());
        if (tokenizer.vocabSize() > files.config().vocabSize()) {
            throw new UsageException(
                    "%s: its tokenizer has %d tokens, the model only %d"
                            .formatted(
                                    files.directory(),
                                    tokenizer.vocabSize(),
                                    files.config().vocabSize()));
        }
        return tokenizer;
    }

    /** The model's own chat template, LWM's where it has none. */
    public ChatTemplate template() throws DataException {
        return ChatTemplate.load(directory);
    }
}
