package org.ringworld.model.training.job;

import com.fasterxml.jackson.annotation.JsonTypeInfo;
import java.util.List;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.suites.Suite;

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
    private static final String OF_SUITE = ": ";

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
            if (name.endsWith(NEEDLES)) {
                return new Needles(Integer.parseInt(name.substring(0, name.indexOf(' '))));
            }
            return Suite.isTitle(name.split(OF_SUITE)[0])
                    ? new Answers(name.split(OF_SUITE)[0], name.split(OF_SUITE)[1])
                    : new Documents(name);
        }

        /** Whether its result is the part of rows that is right, and not bits a target. */
        default boolean isAsked() {
            return !(this instanceof Documents);
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

    /** Questions of a suite's task; their result is the part of rows that is right. */
    public record Answers(String suite, String task) implements Kind {
        @Override
        public String name() {
            return suite + OF_SUITE + task;
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

        /** Its result, as its kind has it. */
        public double score() {
            return kind.isAsked() ? accuracy() : bits();
        }
    }
}
