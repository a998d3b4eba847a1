package org.ringworld.model.training;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.ringworld.runtime.DType;

/**
 * Stages one after the other, each from the last one's weights and optimizer state. Steps are
 * numbered from 1 through all stages and rounds.
 *
 * @param rounds how often each stage is done, one round after the other: once, unless what it
 *     reached was not enough. A round goes on in the stage's data; its learning rate begins anew
 */
public record Curriculum(List<Stage> stages, List<Integer> rounds) {
    /** Each stage once. */
    public Curriculum(List<Stage> stages) {
        this(stages, Collections.nCopies(stages.size(), 1));
    }

    public Curriculum {
        if (stages.isEmpty()) {
            throw new IllegalArgumentException("a job needs at least one stage");
        }
        if (rounds.size() != stages.size() || rounds.stream().anyMatch(n -> n < 1)) {
            throw new IllegalArgumentException(
                    "%d stages cannot be done %s times".formatted(stages.size(), rounds));
        }
        stages = List.copyOf(stages);
        rounds = List.copyOf(rounds);
        if (stages.stream().map(stage -> stage.optimizer().firstMoment()).distinct().count() > 1) {
            throw new IllegalArgumentException(
                    "optimizer.firstMoment must be the same in all stages: its memory is taken once");
        }
    }

    /** The dtype in which means of gradients are kept. */
    public DType firstMoment() {
        return stages.getFirst().optimizer().firstMoment();
    }

    /** One round more of a stage. */
    public Curriculum again(int stage) {
        List<Integer> more = new ArrayList<>(rounds);
        more.set(stage, rounds.get(stage) + 1);
        return new Curriculum(stages, more);
    }

    /** Steps of a stage, in all rounds. */
    private long steps(int stage) {
        return stages.get(stage).steps() * rounds.get(stage);
    }

    /** Where a step lies. */
    public record Place(int stage, long stepInStage) {}

    /** Stage and step in it (from 0, through its rounds) of a global step (from 1). */
    public Place place(long step) {
        long before = 0;
        for (int i = 0; i < stages.size(); i++) {
            if (step <= before + steps(i)) {
                return new Place(i, step - before - 1);
            }
            before += steps(i);
        }
        throw new IllegalArgumentException("step " + step + " is after the last, " + before);
    }

    /** The last step of a stage's last round. */
    public long lastStep(int stage) {
        return IntStream.rangeClosed(0, stage).mapToLong(this::steps).sum();
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
