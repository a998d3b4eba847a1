package org.ringworld.model.training;

import java.util.List;
import org.ringworld.runtime.DType;

/**
 * Stages one after the other, each from the last one's weights and optimizer state. Steps are
 * numbered from 1 through all stages.
 */
public record Curriculum(List<Stage> stages) {
    public Curriculum {
        if (stages.isEmpty()) {
            throw new IllegalArgumentException("a job needs at least one stage");
        }
        stages = List.copyOf(stages);
        if (stages.stream().map(stage -> stage.optimizer().firstMoment()).distinct().count() > 1) {
            throw new IllegalArgumentException(
                    "optimizer.firstMoment must be the same in all stages: its memory is taken once");
        }
    }

    /** The dtype in which means of gradients are kept. */
    public DType firstMoment() {
        return stages.getFirst().optimizer().firstMoment();
    }

    /** Where a step lies. */
    public record Place(int stage, long stepInStage) {}

    /** Stage and step in it (from 0) of a global step (from 1). */
    public Place place(long step) {
        long before = 0;
        for (int i = 0; i < stages.size(); i++) {
            if (step <= before + stages.get(i).steps()) {
                return new Place(i, step - before - 1);
            }
            before += stages.get(i).steps();
        }
        throw new IllegalArgumentException("step " + step + " is after the last, " + before);
    }

    /** The last step of a stage. */
    public long lastStep(int stage) {
        return stages.subList(0, stage + 1).stream().mapToLong(Stage::steps).sum();
    }

    /** Steps of all stages. */
    public long steps() {
        return lastStep(stages.size() - 1);
    }

    /** Tokens of the first {@code steps} steps. */
    public long tokens(long steps) {
        long tokens = 0;
        for (long step = 1; step <= steps; step++) {
            Place place = place(step);
            tokens += stages.get(place.stage()).tokensOf(place.stepInStage());
        }
        return tokens;
    }
}
