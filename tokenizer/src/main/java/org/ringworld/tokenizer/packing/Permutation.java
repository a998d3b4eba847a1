package org.ringworld.tokenizer.packing;

import org.ringworld.tokenizer.RowRandom;

/**
 * A pseudo-random order of [0, n) in which any place can be asked for at once: a Feistel network of
 * four rounds on the next power of four, walked until it lands inside (Black and Rogaway 2002).
 */
public final class Permutation {
    private static final int ROUNDS = 4;

    private final long n;
    private final int halfBits;
    private final long key;

    public Permutation(long n, long key) {
        this.n = n;
        this.key = key;
        this.halfBits = Math.max(1, (64 - Long.numberOfLeadingZeros(n - 1) + 1) / 2);
    }

    /** What stands at place {@code i}. */
    public long at(long i) {
        long x = i;
        do {
            x = network(x);
        } while (x >= n);
        return x;
    }

    private long network(long x) {
        long mask = (1L << halfBits) - 1;
        long left = x >>> halfBits;
        long right = x & mask;
        for (int round = 0; round < ROUNDS; round++) {
            long mixed = RowRandom.mix(key + RowRandom.mix(right + ((long) round << 48))) & mask;
            long next = left ^ mixed;
            left = right;
            right = next;
        }
        return left << halfBits | right;
    }
}
