package org.ringworld.tokenizer;

import java.util.List;

/**
 * Random numbers of one row (SplitMix64, Steele et al. 2014), from what names the row. Written out,
 * so that a run that is resumed on another JDK gets the same numbers.
 */
public final class RowRandom {
    private static final long GOLDEN = 0x9e3779b97f4a7c15L;

    private long state;

    private RowRandom(long state) {
        this.state = state;
    }

    /** The numbers that belong to a name made of several parts. */
    public static RowRandom of(long... name) {
        long state = 0;
        for (long part : name) {
            state = mix(state + GOLDEN + mix(part + GOLDEN));
        }
        return new RowRandom(state);
    }

    public static long mix(long z) {
        z = (z ^ z >>> 30) * 0xbf58476d1ce4e5b9L;
        z = (z ^ z >>> 27) * 0x94d049bb133111ebL;
        return z ^ z >>> 31;
    }

    private long next() {
        state += GOLDEN;
        return mix(state);
    }

    /** In [0, n); the bias of the remainder is under n / 2⁶³. */
    public int below(int n) {
        return (int) ((next() >>> 1) % n);
    }

    /** In [from, to], both included. */
    public int between(int from, int to) {
        return from + below(to - from + 1);
    }

    public <T> T pick(List<T> list) {
        return list.get(below(list.size()));
    }
}
