package org.ringworld.runtime.cpu;

import java.util.List;
import java.util.OptionalDouble;
import java.util.concurrent.atomic.AtomicReference;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.cpu.device.WorkerTeam;

/**
 * What this machine can do at most, measured now, on {@code threads} threads placed as a device
 * places them: a kernel's speed says little without it.
 *
 * @param threads how many threads ran
 * @param f32 F32 multiply-adds from registers, in GFLOP/s
 * @param bf16 BF16 dot products from registers, in GFLOP/s; empty where the hardware has none
 * @param read reading memory, in GB/s
 */
public record MachineLimits(int threads, double f32, OptionalDouble bf16, double read) {

    /**
     * Measures; takes about a second.
     *
     * @throws UnsupportedOperationException without the Vector API
     */
    public static MachineLimits measure(int threads) {
        if (!CpuDevice.hasVectors()) {
            throw new UnsupportedOperationException(
                    "limits need --add-modules jdk.incubator.vector");
        }
        AtomicReference<MachineLimits> limits = new AtomicReference<>();
        try (CpuDevice device = new CpuDevice(threads)) {
            device.runHere(() -> limits.set(of(device)));
        }
        return limits.get();
    }

    /** Those of as many threads as these devices have together, but no more than cores. */
    public static MachineLimits measure(List<DeviceSpec> devices) {
        int threads = devices.stream().mapToInt(DeviceSpec::threads).sum();
        return measure(Math.min(Runtime.getRuntime().availableProcessors(), threads));
    }

    /** FLOP/s in a dtype; BF16 counts as F32 where no hardware has it. */
    public double flops(DType dtype) {
        return 1e9 * (dtype == DType.BF16 ? bf16.orElse(f32) : f32);
    }

    /** The limits of a device, measured from the thread that drives it. */
    static MachineLimits of(CpuDevice device) {
        WorkerTeam team = device.team();
        return new MachineLimits(
                team.threads(), LimitLoops.f32(team), LimitLoops.bf16(team), LimitLoops.read(team));
    }
}
