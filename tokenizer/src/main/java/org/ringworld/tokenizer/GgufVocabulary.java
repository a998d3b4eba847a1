package org.ringworld.tokenizer;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * A tokenizer as GGUF files hold it and llama.cpp reads it.
 *
 * @param model llama.cpp's kind
 * @param splitter by which it cuts a text before merging; its name for it ({@code
 *     tokenizer.ggml.pre})
 * @param tokens by their ids
 * @param merges of byte-level BPE, two pieces with a space between them, the first merged first
 * @param addsSpace whether a text gets a space in front
 * @param addsBos whether a text gets {@code bos} in front
 * @param ends what ends a text, {@code eos} the first of them
 * @param unknown −1 where there is none
 * @param pad −1 where there is none
 */
public record GgufVocabulary(
        Model model,
        String splitter,
        List<Token> tokens,
        List<String> merges,
        boolean addsSpace,
        boolean addsBos,
        int bos,
        int eos,
        Set<Integer> ends,
        int unknown,
        int pad) {
    /** A score under those of all merges. */
    public static final float LAST = -1e6f;

    /** How pieces are merged. */
    public enum Model {
        /** SentencePiece's BPE: the two neighbours whose piece has the highest score. */
        SENTENCE_PIECE("llama"),
        /** Byte-level BPE: the two neighbours whose merge comes first. */
        BYTE_LEVEL("gpt2");

        private final String name;

        Model(String name) {
            this.name = name;
        }

        /** As {@code tokenizer.ggml.model} has it. */
        public String ggufName() {
            return name;
        }
    }

    /** What a token is for. */
    public enum Type {
        NORMAL(1),
        UNKNOWN(2),
        /** Found in no text that a user writes. */
        CONTROL(3),
        /** Found in a text before anything else. */
        USER_DEFINED(4),
        UNUSED(5),
        BYTE(6);

        private final int number;

        Type(int number) {
            this.number = number;
        }

        public int number() {
            return number;
        }
    }

    /** One token; scores count for SentencePiece's kind alone. */
    public record Token(String text, float score, Type type) {
        /** One that no text has, to fill a place. */
        public static Token unused(int id) {
            return new Token("[PAD" + id + "]", 0, Type.UNUSED);
        }
    }

    public GgufVocabulary {
        tokens = List.copyOf(tokens);
        merges = List.copyOf(merges);
        ends = Set.copyOf(ends);
    }

    /** The same with unused tokens up to the rows of a model's embedding. */
    public GgufVocabulary withSize(int size) {
        List<Token> all = new ArrayList<>(tokens);
        for (int id = tokens.size(); id < size; id++) {
            all.add(Token.unused(id));
        }
        return new GgufVocabulary(
                model, splitter, all, merges, addsSpace, addsBos, bos, eos, ends, unknown, pad);
    }
}
