package org.ringworld.tokenizer.bpe;

import java.util.Arrays;
import org.ringworld.tokenizer.RowRandom;

/** From two numbers, the left one not negative, to one that is not negative. */
final class PairTable {
    private long[] keys = new long[1 << 10];
    private int[] values = new int[1 << 10];
    private int size;

    PairTable() {
        Arrays.fill(values, -1);
    }

    /** What was put last for the two, or −1. */
    int get(int left, int right) {
        return values[slot((long) left << 32 | right & 0xffff_ffffL)];
    }

    void put(int left, int right, int value) {
        if (2 * ++size > keys.length) {
            grow();
        }
        long key = (long) left << 32 | right & 0xffff_ffffL;
        int slot = slot(key);
        size -= values[slot] < 0 ? 0 : 1;
        keys[slot] = key;
        values[slot] = value;
    }

    private int slot(long key) {
        int mask = keys.length - 1;
        int slot = (int) RowRandom.mix(key) & mask;
        while (values[slot] >= 0 && keys[slot] != key) {
            slot = slot + 1 & mask;
        }
        return slot;
    }

    private void grow() {
        long[] oldKeys = keys;
        int[] oldValues = values;
        keys = new long[2 * oldKeys.length];
        values = new int[keys.length];
        Arrays.fill(values, -1);
        for (int i = 0; i < oldKeys.length; i++) {
            if (oldValues[i] >= 0) {
                int slot = slot(oldKeys[i]);
                keys[slot] = oldKeys[i];
                values[slot] = oldValues[i];
            }
        }
    }
}
