package org.ringworld.tokenizer;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Text to token ids and back. Threads may share one. */
public interface Tokenizer {
    /** Ids are in [0, vocabSize). */
    int vocabSize();

    /** Id that begins a document. */
    int bos();

    /** Id that ends a document. */
    int eos();

    /** Id that fills what no document does. */
    int pad();

    /**
     * The tokens of a text. No special token is added, and one written in the text stays text. A
     * surrogate without its partner is read as U+FFFD.
     */
    int[] encode(String text);

    /**
     * The UTF-8 bytes that a token stands for; none for special tokens.
     *
     * @throws IllegalArgumentException where the id is not in [0, vocabSize)
     */
    byte[] bytes(int id);

    /** The text of tokens; special tokens are left out, bytes that are not UTF-8 become U+FFFD. */
    default String decode(int[] ids) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(ids.length);
        for (int id : ids) {
            bytes.writeBytes(bytes(id));
        }
        return bytes.toString(StandardCharsets.UTF_8);
    }

    /** Decodes as tokens arrive, never half a character. */
    default TextDecoder decoder() {
        return new TextDecoder(this);
    }

    /**
     * Writes the files with which other tools open this tokenizer ({@code tokenizer.json} and what
     * belongs to it) into a model directory.
     *
     * @throws DataException where they cannot be written
     */
    void save(Path directory) throws DataException;

    /**
     * The tokenizer that a job names: {@code bytes}, or a path.
     *
     * @throws DataException where the path holds no tokenizer that can be read
     */
    static Tokenizer of(String spec) throws DataException {
        return spec.equals("bytes") ? new ByteTokenizer() : load(Path.of(spec));
    }

    /**
     * Reads the tokenizer of a model directory, or a {@code tokenizer.json} itself.
     *
     * @throws DataException where there is none, or one of a kind that is not read yet
     */
    static Tokenizer load(Path path) throws DataException {
        Path file = path;
        if (Files.isDirectory(path)) {
            file = path.resolve("tokenizer.json");
            if (!Files.exists(file)) {
                boolean pieces = Files.exists(path.resolve("tokenizer.model"));
                throw new DataException(
                        pieces
                                ? path + ": its tokenizer.model (SentencePiece) is not read yet"
                                : path + ": holds no tokenizer.json");
            }
        }
        if (!Files.exists(file)) {
            throw new DataException(
                    "tokenizer = "
                            + path
                            + " is neither bytes nor a file or directory that exists");
        }
        return ByteTokenizerJson.read(file);
    }
}
