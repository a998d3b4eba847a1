package org.ringworld.tokenizer;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.ringworld.tokenizer.bpe.HuggingFaceTokenizer;
import org.ringworld.tokenizer.bpe.SentencePieceTokenizer;
import tools.jackson.databind.JsonNode;

/** Text to token ids and back. Threads may share one. */
public interface Tokenizer {
    /** Ids are in [0, vocabSize). */
    int vocabSize();

    /** Id that begins a document. */
    int bos();

    /** Id that ends a document. */
    int eos();

    /** Ids that end a text which a model writes: {@link #eos}, and what else its files name. */
    default Set<Integer> ends() {
        return Set.of(eos());
    }

    /** Whether a text is to begin with {@link #bos}: some models never saw theirs. */
    default boolean addsBos() {
        return true;
    }

    /** Id that fills what no document does. */
    int pad();

    /**
     * The tokens of a text. No special token is added, and one written in the text stays text. A
     * surrogate without its partner is read as U+FFFD.
     */
    int[] encode(String text);

    /** The tokens of a text that is gone on with, BOS first where it is added. */
    default int[] prompt(String text) {
        int[] ids = encode(text);
        if (!addsBos() && ids.length > 0) {
            return ids;
        }
        // A model needs something to go on from, be it BOS that is not added otherwise.
        int[] with = new int[ids.length + 1];
        with[0] = bos();
        System.arraycopy(ids, 0, with, 1, ids.length);
        return with;
    }

    /**
     * The tokens of a text as the library reads it that this tokenizer comes from: a special token
     * written in the text may become one.
     */
    default int[] encodeLikeReference(String text) {
        return encode(text);
    }

    /** Of all that decides ids: it differs where two tokenizers would encode differently. */
    long checksum();

    /** Ids of the special tokens by what other tools write for them. */
    default Map<String, Integer> specialTokens() {
        return Map.of();
    }

    /**
     * Whether {@link #encode} puts a space before the text, which decoding drops at the start of a
     * text and nowhere else.
     */
    default boolean addsSpace() {
        return false;
    }

    /**
     * The UTF-8 bytes that a token stands for; none for special tokens.
     *
     * @throws IllegalArgumentException where the id is not in [0, vocabSize)
     */
    byte[] bytes(int id);

    /** The text of tokens; special tokens are left out, bytes that are not UTF-8 become U+FFFD. */
    default String decode(int[] ids) {
        TextDecoder decoder = decoder();
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            text.append(decoder.next(id));
        }
        return text.append(decoder.finish()).toString();
    }

    /** Decodes as tokens arrive, never half a character. */
    default TextDecoder decoder() {
        return new TextDecoder(this);
    }

    /**
     * Writes the files with which other tools open this tokenizer ({@code tokenizer.json} and what
     * belongs to it) into a model directory; those that it was read from byte for byte.
     *
     * @throws DataException where they cannot be written
     */
    void save(Path directory) throws DataException;

    /**
     * This tokenizer as llama.cpp reads it from a GGUF file.
     *
     * @throws DataException naming what llama.cpp has no like of
     */
    GgufVocabulary gguf() throws DataException;

    /**
     * The tokenizer that a job names: {@code bytes}, or a path.
     *
     * @throws DataException where the path holds no tokenizer that can be read
     */
    static Tokenizer of(String spec) throws DataException {
        return spec.equals("bytes") ? new ByteTokenizer() : load(Path.of(spec));
    }

    /**
     * Reads a {@code tokenizer.json}, a {@code tokenizer.model}, or the tokenizer of a model
     * directory: where it holds both, its {@code tokenizer.json}, as Transformers' fast tokenizers
     * do.
     *
     * @throws DataException where there is none, or one that is damaged or not supported
     */
    static Tokenizer load(Path path) throws DataException {
        if (!Files.exists(path)) {
            throw new DataException(
                    "tokenizer = "
                            + path
                            + " is neither bytes nor a file or directory that exists");
        }
        Path file = path;
        if (Files.isDirectory(path)) {
            file = path.resolve("tokenizer.json");
            if (!Files.exists(file)) {
                file = path.resolve("tokenizer.model");
            }
            if (!Files.exists(file)) {
                throw new DataException(
                        path + ": holds neither a tokenizer.json nor a tokenizer.model");
            }
        }
        TokenizerFiles files = TokenizerFiles.read(file);
        String name = file.getFileName().toString();
        if (!name.endsWith(".json")) {
            return SentencePieceTokenizer.read(files);
        }
        JsonNode json = files.json(name);
        return ByteTokenizerJson.isOwn(json)
                ? new ByteTokenizer()
                : HuggingFaceTokenizer.read(files, json);
    }
}
