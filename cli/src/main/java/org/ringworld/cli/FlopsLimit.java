package org.ringworld.cli;

import org.ringworld.runtime.DType;
import org.ringworld.runtime.cpu.MachineLimits;

/** What the devices of a job can do at most. */
public final class FlopsLimit {
    private FlopsLimit() {}

    /**
     * FLOP/s of {@code threads} in a dtype, measured; BF16 counts as F32 where no hardware has it.
     */
    public static double of(MachineLimits limits, DType dtype) {
        double gflops = dtype == DType.BF16 ? limits.bf16().orElse(limits.f32()) : limits.f32();
        return 1e9 * gflops;
    }
}
