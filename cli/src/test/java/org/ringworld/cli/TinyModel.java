package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;

/** A small model that has learned to say "hello world hello world". */
final class TinyModel {
    private TinyModel() {}

    /** A SentencePiece tokenizer, which puts a space before words. */
    static Path tokenizer() throws Exception {
        return Path.of(
                TinyModel.class.getResource("/reports/tokenizer/tiny/tokenizer.model").toURI());
    }

    /** Writes one with a tokenizer; the directory of the model. */
    static Path write(Path directory, Path tokenizer) throws Exception {
        Path text = Files.writeString(directory.resolve("t.txt"), "hello world ".repeat(40));
        Path run = directory.resolve("run");
        CommandLineTest.Outcome outcome =
                CommandLineTest.run(
                        "train",
                        CommandLineTest.TINY.subList(0, 3),
                        "model.vocabSize=306",
                        "optimizer.learningRate=1e-2",
                        "optimizer.warmupSteps=5",
                        "tokenizer=" + tokenizer,
                        "data.path=" + text,
                        "data.heldOut=0",
                        "stages=[{seqLen=16,steps=40,tokensPerStep=64}]",
                        "output=" + run);
        assertThat(outcome.code()).as(outcome.err()).isZero();
        return run.resolve("final");
    }
}
