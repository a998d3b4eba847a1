package org.ringworld.model.training.coordination;

import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/** Finds a device whose steps take much longer than the others', which wait for it. */
final class Stragglers {
    private static final double SLOW = 1.5;

    /** Seconds: small steps differ by a few thousandths, which say nothing of a device. */
    private static final double SLOW_BY = 0.01;

    private static final int STEPS = 20;

    private String slowDevice;
    private int slowSteps;

    /**
     * A step is over.
     *
     * @return who has taken {@link #SLOW} times the others' median, and {@link #SLOW_BY} more, for
     *     {@link #STEPS} steps in a row, said once in a while
     */
    Optional<Progress> named(List<Progress.RankTime> times) {
        double[] sorted = times.stream().mapToDouble(t -> t.spent().computing()).sorted().toArray();
        double median = sorted[(sorted.length - 1) / 2];
        Progress.RankTime slowest =
                times.stream()
                        .max(Comparator.comparingDouble(t -> t.spent().computing()))
                        .orElseThrow();
        double most = slowest.spent().computing();
        boolean slow = times.size() > 1 && most > SLOW * median && most - median > SLOW_BY;
        slowSteps = slow && slowest.device().equals(slowDevice) ? slowSteps + 1 : slow ? 1 : 0;
        slowDevice = slow ? slowest.device() : null;
        return slowSteps > 0 && slowSteps % STEPS == 0
                ? Optional.of(new Progress.Straggler(slowDevice, most / median))
                : Optional.empty();
    }
}
