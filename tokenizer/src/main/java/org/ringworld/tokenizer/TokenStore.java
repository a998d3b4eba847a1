package org.ringworld.tokenizer;

import java.util.ArrayList;
import java.util.List;

/** Tokens of documents, two bytes each where the vocabulary allows it. */
final class TokenStore {
    private final boolean isShort;
    private final List<char[]> shorts = new ArrayList<>();
    private final List<int[]> ints = new ArrayList<>();

    TokenStore(int vocabSize) {
        isShort = vocabSize <= 1 << 16;
    }

    void add(int[] ids) {
        if (isShort) {
            char[] tokens = new char[ids.length];
            for (int i = 0; i < ids.length; i++) {
                tokens[i] = (char) ids[i];
            }
            shorts.add(tokens);
        } else {
            ints.add(ids);
        }
    }

    int documents() {
        return isShort ? shorts.size() : ints.size();
    }

    int tokens(int document) {
        return isShort ? shorts.get(document).length : ints.get(document).length;
    }

    /** Tokens [from, to) of a document. */
    int[] get(int document, int from, int to) {
        int[] ids = new int[to - from];
        for (int i = from; i < to; i++) {
            ids[i - from] = isShort ? shorts.get(document)[i] : ints.get(document)[i];
        }
        return ids;
    }
}
