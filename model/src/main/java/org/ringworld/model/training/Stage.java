package org.ringworld.model.training;

import java.util.List;
import java.util.Locale;
import org.ringworld.tokenizer.tasks.CopyTask;
import org.ringworld.tokenizer.tasks.NeedleTask;
import org.ringworld.tokenizer.tasks.SeparatorTask;

/**
 * One stage of progressive training (LWM, §3.1): a context length with its rotary base, number of
 * steps and learning rate, started from the weights and the optimizer of the stage before.
 *
 * @param name what it is called in reports and metrics
 * @param mix other row lengths that some of the steps take, so that short contexts are not
 *     forgotten
 * @param steps optimizer steps
 * @param tokensPerStep tokens of a global step; a step has at least one row
 * @param microBatches pieces that a step is cut into, one forward and backward each
 */
public record Stage(
        String name,
        Task task,
        int seqLen,
        List<Mix> mix,
        double ropeTheta,
        long steps,
        long tokensPerStep,
        int microBatches,
        AdamW optimizer) {

    /** What its rows hold; all but texts are made up. */
    public enum Task {
        /** Strings of random letters, repeated ({@link CopyTask}). */
        COPY,
        /** Keys and numbers that are asked for again ({@link SeparatorTask}). */
        SEPARATORS,
        /** Magic numbers of cities, hidden in prose ({@link NeedleTask}). */
        NEEDLES,
        /** The same, asked as LWM's evaluation asks a chat. */
        QUESTIONS,
        /** Documents. */
        TEXT;

        /** As a job file writes it. */
        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** A share of the steps that takes rows of another length. */
    public record Mix(int seqLen, double share) {}

    public Stage {
        require(seqLen > 0, "seqLen", seqLen);
        require(steps > 0, "steps", steps);
        require(tokensPerStep > 0, "tokensPerStep", tokensPerStep);
        require(microBatches > 0, "microBatches", microBatches);
        require(ropeTheta > 1, "ropeTheta", ropeTheta);
        double shares = mix.stream().mapToDouble(Mix::share).sum();
        if (shares >= 1 || mix.stream().anyMatch(m -> m.share <= 0)) {
            throw new IllegalArgumentException(
                    "mix: each share must be over 0, and together, now %s, they must leave some for the stage's own seqLen"
                            .formatted(shares));
        }
        require(mix.stream().allMatch(m -> m.seqLen > 0), "mix", mix);
        mix = List.copyOf(mix);
    }

    private static void require(boolean right, String what, Object value) {
        if (!right) {
            throw new IllegalArgumentException(
                    what + " = " + value + " is nothing that a stage can have");
        }
    }

    /**
     * The row length of a step (from 0), a pure function: the other lengths are spread evenly and
     * reach their share at any time to within one step or two.
     */
    public int seqLenOf(long step) {
        double left = 1;
        for (Mix other : mix) {
            double share = other.share / left;
            long taken = (long) Math.floor(step * share);
            if (Math.floor((step + 1) * share) > taken) {
                return other.seqLen;
            }
            // The lengths after this one share the steps that it leaves, and so never meet it.
            step -= taken;
            left -= other.share;
        }
        return seqLen;
    }

    /** Rows of a step. */
    public int rowsOf(long step) {
        return Math.toIntExact(Math.max(1, tokensPerStep / seqLenOf(step)));
    }

    /** Tokens of a step: those of whole rows, which may be fewer than tokensPerStep, or more. */
    public long tokensOf(long step) {
        return (long) rowsOf(step) * seqLenOf(step);
    }

    /**
     * This stage with the fewest steps that take {@code tokens} tokens.
     *
     * @throws IllegalArgumentException where those are more than can be counted
     */
    public Stage withTokens(long tokens) {
        require(tokens > 0, "tokens", tokens);
        long enough = 0;
        for (long left = tokens; left > 0; left -= tokensOf(enough), enough++) {
            require(enough < Integer.MAX_VALUE, "tokens", tokens);
        }
        return new Stage(
                name, task, seqLen, mix, ropeTheta, enough, tokensPerStep, microBatches, optimizer);
    }
}
