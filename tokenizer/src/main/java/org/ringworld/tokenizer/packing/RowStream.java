package org.ringworld.tokenizer.packing;

import java.util.List;

/**
 * Rows to train on: a pure function of (seed, stage, step); seed and stage are the stream's own.
 */
@FunctionalInterface
public interface RowStream {
    /**
     * The rows of one step. The same arguments give the same rows, bit for bit, in any order of
     * calls and from any thread.
     *
     * @param step of the stage, from 0
     * @param count rows a step; the same in all steps of a stage
     */
    List<Row> rows(long step, int seqLen, int count);
}
