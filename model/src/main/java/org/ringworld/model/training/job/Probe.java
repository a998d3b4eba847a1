package org.ringworld.model.training.job;

import java.util.List;
import org.ringworld.tokenizer.packing.Row;

/**
 * Unseen rows to evaluate a model by. Rows are right when every target of weight 1 is: as the row
 * gives the true text before each, that is the same as generating the answer greedily.
 *
 * @param name what it asks, such as {@code one needle}
 * @param depth where in the row the needle lies, 0 to 1; NaN for anywhere
 */
public record Probe(String name, int seqLen, double depth, List<Row> rows) {

    /**
     * @param rows rows evaluated
     * @param right of them, those right throughout
     * @param loss Σ w·ce / Σ w in nats
     */
    public record Result(String name, int seqLen, double depth, int rows, int right, double loss) {
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
