package org.ringworld.model.training;

import org.ringworld.model.ring.Ring;

/**
 * What one rank's device spent on a step, seconds.
 *
 * @param computing outside of waits
 * @param waiting for neighbours
 * @param receiving from the first to the last byte of each block of keys, values or their gradients
 *     that came over a wire
 * @param exposed part of receiving in which the device waited for just that block: not hidden
 *     behind its work
 * @param bytesReceived of such blocks, over a wire or by reference
 */
public record TimeSpent(
        double computing, double waiting, double receiving, double exposed, long bytesReceived) {
    public static TimeSpent of(long nanos, Ring.Times ring) {
        return new TimeSpent(
                (nanos - ring.waited()) / 1e9,
                ring.waited() / 1e9,
                ring.receiving() / 1e9,
                ring.exposed() / 1e9,
                ring.bytesReceived());
    }
}
