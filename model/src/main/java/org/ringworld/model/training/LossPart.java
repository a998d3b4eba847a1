package org.ringworld.model.training;

import java.util.ArrayList;
import java.util.List;
import org.ringworld.tokenizer.packing.Row;

/**
 * Targets of one source and one modality, of which a step's loss and accuracy are told apart: a
 * source's text, then its vision codes, then the next source's.
 */
public final class LossPart {
    private LossPart() {}

    /**
     * What there is of a part in a step.
     *
     * @param weight Σ w
     * @param answers targets that are counted where they are right
     */
    public record Targets(double weight, long answers) {}

    /**
     * What came of it.
     *
     * @param loss Σ w·ce in nats
     * @param hits answers that were right
     */
    public record Sums(double loss, long hits) {}

    static int of(int source, boolean vision) {
        return 2 * source + (vision ? 1 : 0);
    }

    static int source(int part) {
        return part / 2;
    }

    static String modality(int part) {
        return part % 2 == 0 ? "text" : "vision";
    }

    /** The targets of each part in these rows. */
    static List<Targets> targets(List<Row> rows, float answerWeight) {
        int sources = 1 + rows.stream().mapToInt(Row::source).max().orElse(0);
        double[] weights = new double[2 * sources];
        long[] answers = new long[2 * sources];
        for (Row row : rows) {
            for (int i = 0; i < row.length(); i++) {
                int part = of(row.source(), row.isVision(i));
                weights[part] += row.weights()[i];
                answers[part] += row.weights()[i] >= answerWeight ? 1 : 0;
            }
        }
        List<Targets> all = new ArrayList<>();
        for (int part = 0; part < weights.length; part++) {
            all.add(new Targets(weights[part], answers[part]));
        }
        return all;
    }
}
