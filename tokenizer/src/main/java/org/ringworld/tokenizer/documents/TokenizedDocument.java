package org.ringworld.tokenizer.documents;

import java.util.List;

/**
 * A whole document in tokens, as it is cached.
 *
 * @param runs of equal tokens, which cover all of them in order
 */
public record TokenizedDocument(int[] ids, List<Run> runs) {
    /**
     * Tokens up to {@code end} that weigh the same as targets and are all text or all vision codes.
     */
    public record Run(int end, float weight, boolean vision) {}

    /** Whether it is text that all weighs 1, but for the first token, which is no target. */
    boolean isPlain() {
        return runs.stream().allMatch(run -> run.end == 1 || run.weight == 1 && !run.vision);
    }
}
