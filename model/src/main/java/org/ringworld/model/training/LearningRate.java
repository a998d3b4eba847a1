package org.ringworld.model.training;

/**
 * The learning rate of each update of a stage: linear warm-up, then constant with a linear decay at
 * the end, or a cosine. Update k of n counts from 0; at and past the end it is {@code peak ·
 * minRatio}.
 *
 * @param peak the rate after warm-up
 * @param warmupSteps updates until the peak
 * @param decayFraction constant: the last part of the stage in which the rate falls linearly
 * @param minRatio where decay and cosine end, as a part of the peak
 * @param initial the rate of the first update of a warm-up
 * @param decaySteps updates after which decay and cosine have ended, those of the warm-up among
 *     them; 0: the stage's
 */
public record LearningRate(
        double peak,
        Schedule schedule,
        int warmupSteps,
        double decayFraction,
        double minRatio,
        double initial,
        int decaySteps) {
    /** The course between warm-up and end. */
    public enum Schedule {
        CONSTANT,
        COSINE
    }

    /** From 0, and over the whole stage. */
    public LearningRate(
            double peak,
            Schedule schedule,
            int warmupSteps,
            double decayFraction,
            double minRatio) {
        this(peak, schedule, warmupSteps, decayFraction, minRatio, 0, 0);
    }

    /** The rate of update {@code k} (from 0) of {@code steps}. */
    public double at(long k, long steps) {
        if (k < warmupSteps) {
            return initial + (peak - initial) * k / warmupSteps;
        }
        long n = decaySteps == 0 ? steps : decaySteps;
        return switch (schedule) {
            case COSINE -> {
                double done = Math.clamp((double) (k - warmupSteps) / (n - warmupSteps), 0, 1);
                yield peak * (minRatio + (1 - minRatio) * 0.5 * (1 + Math.cos(Math.PI * done)));
            }
            case CONSTANT -> {
                double length = decayFraction * n;
                double done = length <= 0 ? 0 : Math.clamp((k - (n - length)) / length, 0, 1);
                yield peak * (1 - (1 - minRatio) * done);
            }
        };
    }
}
