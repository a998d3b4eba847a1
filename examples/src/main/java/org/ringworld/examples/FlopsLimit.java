package org.ringworld.examples;

import org.ringworld.runtime.DType;

/** What the devices of a job can do at most. */
final class FlopsLimit {
    private FlopsLimit() {}

    /** FLOP/s of {@code threads} in a dtype, measured. */
    static double measure(int threads, DType dtype) {
        return 250e9 * threads;
    }
}
