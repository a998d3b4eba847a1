package org.ringworld.model.training.job;

/**
 * When a model is evaluated, as a number: −1 before the first stage, s ≥ 0 after stage s, −2 − s
 * inside it.
 */
public final class Moment {
    /** Before the first stage. */
    public static final int BEFORE = -1;

    private Moment() {}

    public static int inside(int stage) {
        return -2 - stage;
    }

    public static boolean isInside(int moment) {
        return moment < BEFORE;
    }

    /** The stage that it is of; 0 before the first. */
    public static int stage(int moment) {
        return isInside(moment) ? -2 - moment : Math.max(0, moment);
    }
}
