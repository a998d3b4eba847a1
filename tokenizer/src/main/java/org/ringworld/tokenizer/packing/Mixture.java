package org.ringworld.tokenizer.packing;

import java.util.ArrayList;
import java.util.List;
import org.ringworld.tokenizer.RowRandom;

/**
 * Rows of several sources in given proportions, each packed by itself (LWM: chat and long questions
 * 7 : 3). Where the shares of a step's rows are whole numbers, every step has exactly those (LWM's
 * chat stage: a quarter of each batch a task), else every 1000 rows; in an order of their own that
 * follows from (seed, stage). A source's rows come in its own order, none skipped.
 */
public final class Mixture implements RowStream {
    private static final int WINDOW = 1000;
    private static final int NAME = 0x313d;

    private final List<RowStream> sources;
    private final List<Double> weights;
    private final int[] counts;
    private final long seed;
    private final int stage;

    /**
     * @param weights of the sources, positive; only their proportions count
     * @throws IllegalArgumentException where there is no source, or a weight is not positive or too
     *     small to give one row in 1000
     */
    public Mixture(List<RowStream> sources, List<Double> weights, long seed, int stage) {
        if (sources.isEmpty() || sources.size() != weights.size()) {
            throw new IllegalArgumentException(
                    "a mixture of %d sources has %d weights"
                            .formatted(sources.size(), weights.size()));
        }
        this.sources = List.copyOf(sources);
        this.weights = List.copyOf(weights);
        this.counts = counts(weights);
        this.seed = seed;
        this.stage = stage;
    }

    /** Rows of each source in a window: rounded down, then one more for the largest rests. */
    private static int[] counts(List<Double> weights) {
        double sum = weights.stream().mapToDouble(Double::doubleValue).sum();
        int[] counts = new int[weights.size()];
        double[] rests = new double[counts.length];
        int left = WINDOW;
        for (int s = 0; s < counts.length; s++) {
            double weight = weights.get(s);
            if (!(weight > 0 && weight < Double.POSITIVE_INFINITY)) {
                throw new IllegalArgumentException(
                        "weight " + weight + " of a mixture's source is not positive");
            }
            // What 0.7 + 0.3 misses by rounding is no rest.
            double share = Math.round(weight / sum * WINDOW * 1e6) / 1e6;
            counts[s] = (int) share;
            rests[s] = share - counts[s];
            left -= counts[s];
        }
        for (; left > 0; left--) {
            int largest = 0;
            for (int s = 1; s < rests.length; s++) {
                largest = rests[s] > rests[largest] ? s : largest;
            }
            counts[largest]++;
            rests[largest] = -1;
        }
        for (int s = 0; s < counts.length; s++) {
            if (counts[s] == 0) {
                throw new IllegalArgumentException(
                        "weight %s of a mixture's source gives it no row in %d"
                                .formatted(weights.get(s), WINDOW));
            }
        }
        return counts;
    }

    /** Rows of each source in so many, where these are whole numbers; else null. */
    private int[] exact(int rows) {
        double sum = weights.stream().mapToDouble(Double::doubleValue).sum();
        int[] exact = new int[weights.size()];
        for (int s = 0; s < exact.length; s++) {
            double share = weights.get(s) / sum * rows;
            exact[s] = (int) Math.round(share);
            if (exact[s] == 0 || Math.abs(share - exact[s]) > 1e-6) {
                return null;
            }
        }
        return exact;
    }

    @Override
    public List<Row> rows(long step, int seqLen, int count) {
        List<Row> rows = new ArrayList<>(count);
        int[] exact = exact(count);
        int[] shares = exact == null ? counts : exact;
        int size = exact == null ? WINDOW : count;
        long first = Math.multiplyExact(step, count);
        long[] next = new long[sources.size()];
        int[] order = null;
        for (int i = 0; i < count; i++) {
            long window = (first + i) / size;
            int place = (int) ((first + i) % size);
            if (order == null || place == 0) {
                order = order(window, shares, size);
                for (int s = 0; s < next.length; s++) {
                    next[s] = window * shares[s];
                }
                for (int before = 0; before < place; before++) {
                    next[order[before]]++;
                }
            }
            int source = order[place];
            for (Row row : sources.get(source).rows(next[source]++, seqLen, 1)) {
                rows.add(row.of(source));
            }
        }
        return rows;
    }

    private int[] order(long window, int[] shares, int size) {
        int[] order = new int[size];
        Permutation shuffle =
                new Permutation(
                        size,
                        RowRandom.mix(RowRandom.mix(RowRandom.mix(NAME + seed) + stage) + window));
        int place = 0;
        for (int s = 0; s < shares.length; s++) {
            for (int k = 0; k < shares[s]; k++) {
                order[(int) shuffle.at(place++)] = s;
            }
        }
        return order;
    }
}
