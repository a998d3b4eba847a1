package org.ringworld.tokenizer.bpe;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.ringworld.tokenizer.Utf8;
import org.ringworld.tokenizer.proto.Piece;

/**
 * Byte-pair encoding as SentencePiece does it: of all neighbors that make a piece, the pair with
 * the best score is merged first, the leftmost of equals. Merged symbols are linked, pairs wait in
 * a heap: n log n for a text of any shape. For one thread.
 */
final class BytePairMerger {
    private static final int NO_MERGE = -1;

    private final BytePairVocabulary vocabulary;
    private final IntList ids = new IntList();
    private final LongHeap heap = new LongHeap();

    // Of the run of text being merged; a symbol stands where it begins.
    private int length;
    private int[] characters = new int[256];
    private int[] symbols = new int[256];
    private int[] next = new int[256];
    private int[] previous = new int[256];
    // The piece that a symbol makes with the next one.
    private int[] merge = new int[256];

    /**
     * An unused piece → symbol and first character of the two that last made it: it falls apart
     * again.
     */
    private final Map<Integer, int[]> parts = new HashMap<>();

    private boolean lastIsUnknown;

    BytePairMerger(BytePairVocabulary vocabulary) {
        this.vocabulary = vocabulary;
    }

    /** The ids of all text so far. */
    int[] ids() {
        return ids.toArray();
    }

    /** Encodes [from, to) of a text, cut into runs over whose ends nothing can merge. */
    void encode(String text, int from, int to) {
        int before = -1;
        for (int at = from; at < to; ) {
            int character = text.codePointAt(at);
            if (length > 0 && vocabulary.isBorder(before, character)) {
                endRun();
            }
            String piece = vocabulary.userDefined(text, at);
            if (piece == null) {
                add(character, vocabulary.symbol(character));
                before = character;
                at += Character.charCount(character);
            } else {
                // Negative: no pair has it, so that it is never merged.
                add(character, ~vocabulary.model.ids().get(piece));
                before = piece.codePointBefore(piece.length());
                at += piece.length();
            }
        }
        endRun();
    }

    private void add(int character, int symbol) {
        if (length == symbols.length) {
            characters = Arrays.copyOf(characters, 2 * length);
            symbols = Arrays.copyOf(symbols, 2 * length);
            next = Arrays.copyOf(next, 2 * length);
            previous = Arrays.copyOf(previous, 2 * length);
            merge = Arrays.copyOf(merge, 2 * length);
        }
        characters[length] = character;
        symbols[length] = symbol;
        next[length] = length + 1;
        previous[length] = length - 1;
        length++;
    }

    private void endRun() {
        for (int i = 0; i < length; i++) {
            findMerge(i);
        }
        while (!heap.isEmpty()) {
            long best = heap.poll();
            int left = (int) best;
            // A pair that is no more was left in the heap.
            if (merge[left] != NO_MERGE && vocabulary.rank(merge[left]) == (int) (best >>> 32)) {
                mergeWithNext(left);
            }
        }
        for (int i = 0; i < length; i = next[i]) {
            emit(symbols[i], characters[i]);
        }
        length = 0;
    }

    private void findMerge(int left) {
        int right = next[left];
        merge[left] = right < length ? vocabulary.merged(symbols[left], symbols[right]) : NO_MERGE;
        if (merge[left] != NO_MERGE) {
            heap.add((long) vocabulary.rank(merge[left]) << 32 | left);
            if (vocabulary.hasUnused && isUnused(merge[left])) {
                parts.put(
                        merge[left],
                        new int[] {
                            symbols[left], characters[left], symbols[right], characters[right]
                        });
            }
        }
    }

    private void mergeWithNext(int left) {
        int right = next[left];
        symbols[left] = merge[left];
        merge[right] = NO_MERGE;
        next[left] = next[right];
        if (next[right] < length) {
            previous[next[right]] = left;
        }
        if (previous[left] >= 0) {
            findMerge(previous[left]);
        }
        findMerge(left);
    }

    private boolean isUnused(int piece) {
        return vocabulary.model.pieces().get(piece).getType() == Piece.Type.UNUSED;
    }

    private void emit(int symbol, int character) {
        if (symbol < 0) {
            put(~symbol);
        } else if (symbol >= vocabulary.size()) {
            emitUnknown(character);
        } else if (vocabulary.hasUnused && isUnused(symbol) && parts.containsKey(symbol)) {
            int[] two = parts.get(symbol);
            emit(two[0], two[1]);
            emit(two[2], two[3]);
        } else {
            put(symbol);
        }
    }

    private void put(int id) {
        ids.add(id);
        lastIsUnknown = false;
    }

    /** Bytes where the model has them, else one unknown for the whole run of unknowns. */
    private void emitUnknown(int character) {
        if (vocabulary.model.trainer().getByteFallback()) {
            for (byte b : Utf8.bytes(Character.toString(character))) {
                put(vocabulary.byteId(b & 0xff));
            }
        } else if (!lastIsUnknown) {
            ids.add(vocabulary.model.unknown());
            lastIsUnknown = true;
        }
    }
}
