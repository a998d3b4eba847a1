package org.ringworld.runtime.cpu;

/**
 * One measured kernel.
 *
 * @param name the kernel and its dtype
 * @param shape its sizes
 * @param threads threads of the device
 * @param rate what it reached
 * @param unit of rate and limit: GFLOP/s or GB/s
 * @param limit what the machine reached beside it, in the same seconds
 */
public record BenchRow(
        String name, String shape, int threads, double rate, String unit, double limit) {
    /** The part of the limit that was reached. */
    public double share() {
        return rate / limit;
    }
}
