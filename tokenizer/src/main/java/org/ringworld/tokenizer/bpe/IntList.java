package org.ringworld.tokenizer.bpe;

import java.util.Arrays;

/** Ids being collected. */
public final class IntList {
    private int[] values = new int[256];
    private int size;

    public void add(int value) {
        if (size == values.length) {
            values = Arrays.copyOf(values, 2 * size);
        }
        values[size++] = value;
    }

    public int[] toArray() {
        return Arrays.copyOf(values, size);
    }
}
