package org.ringworld.tokenizer.packing;

import java.util.ArrayList;
import java.util.List;
import org.ringworld.tokenizer.RowRandom;

/**
 * Rows of several sources in given proportions, each packed by itself (LWM: chat and long questions
 * 7 : 3). Of every 1000 rows each source gives its exact share, in an order of their own that
 * follows from (seed, stage); a source's rows come in its own order, none skipped.
 */
public final class Mixture implements RowStream {
    private static final int WINDOW = 1000;
    private static final int NAME = 0x313d;

    private final List<RowStream> sources;
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

    @Override
    public List<Row> rows(long step, int seqLen, int count) {
        List<Row> rows = new ArrayList<>(count);
        long first = Math.multiplyExact(step, count);
        long[] next = new long[sources.size()];
        int[] order = null;
        for (int i = 0; i < count; i++) {
            long window = (first + i) / WINDOW;
            int place = (int) ((first + i) % WINDOW);
            if (order == null || place == 0) {
                order = order(window);
                for (int s = 0; s < next.length; s++) {
                    next[s] = window * counts[s];
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

    private int[] order(long window) {
        int[] order = new int[WINDOW];
        Permutation shuffle =
                new Permutation(
                        WINDOW,
                        RowRandom.mix(RowRandom.mix(RowRandom.mix(NAME + seed) + stage) + window));
        int place = 0;
        for (int s = 0; s < counts.length; s++) {
            for (int k = 0; k < counts[s]; k++) {
                order[(int) shuffle.at(place++)] = s;
            }
        }
        return order;
    }
}
