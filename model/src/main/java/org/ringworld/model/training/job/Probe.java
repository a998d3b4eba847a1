package org.ringworld.model.training.job;

import com.fasterxml.jackson.annotation.JsonTypeInfo;
import java.util.List;
import org.ringworld.tokenizer.packing.Row;

/**
 * Unseen rows to evaluate a model by. Rows are right when every target of weight 1 is: as the row
 * gives the true text before each, that is the same as generating the answer greedily.
 *
 * @param kind what it asks
 * @param depth where in the row the needle lies, 0 to 1; NaN for anywhere
 */
public record Probe(Kind kind, int seqLen, double depth, List<Row> rows) {
    private static final String ONE_NEEDLE = "one needle";
    private static final String NEEDLES = " needles, one asked";

    /** What rows ask of a model. */
    @JsonTypeInfo(use = JsonTypeInfo.Id.SIMPLE_NAME)
    public sealed interface Kind {
        /** As tables and {@code judged.json} have it. */
        String name();

        /** The kind of that name. */
        static Kind of(String name) {
            if (name.equals(ONE_NEEDLE)) {
                return new Needles(1);
            }
            return name.endsWith(NEEDLES)
                    ? new Needles(Integer.parseInt(name.substring(0, name.indexOf(' '))))
                    : new Documents(name);
        }
    }

    /** Documents to go on with; their result is bits a target. */
    public record Documents(String name) implements Kind {}

    /** Hidden numbers, one of them asked for; their result is the part of rows that is right. */
    public record Needles(int hidden) implements Kind {
        @Override
        public String name() {
            return hidden == 1 ? ONE_NEEDLE : hidden + NEEDLES;
        }
    }

    /**
     * @param rows rows evaluated
     * @param right of them, those right throughout
     * @param loss Σ w·ce / Σ w in nats
     */
    public record Result(Kind kind, int seqLen, double depth, int rows, int right, double loss) {
        /** The part of the rows that was right throughout. */
        public double accuracy() {
            return rows == 0 ? 0 : (double) right / rows;
        }

        /** Bits for each target. */
        public double bits() {
            return loss / Math.log(2);
        }
    }
}
