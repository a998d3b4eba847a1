package org.ringworld.model.training;

import java.util.List;
import org.ringworld.model.attention.RankBatch;

/**
 * All that one rank needs for an optimizer step.
 *
 * @param parts its part of each micro-batch
 */
public record RankPlan(StepPlan step, List<RankBatch> parts) {
    /** Local tokens of the greatest part, padding included. */
    public int tokens() {
        return parts.stream().mapToInt(p -> p.own().length()).max().orElse(0);
    }
}
