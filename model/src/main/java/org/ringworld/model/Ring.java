package org.ringworld.model;

import java.util.List;
import java.util.function.BooleanSupplier;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Event;
import org.ringworld.runtime.Tensor;

/**
 * One rank's view of a ring: what it sends goes to the next rank, what it receives comes from the
 * previous one. Sending returns at once; waiting is done where a value is needed. All waits end
 * with a {@link RingBrokenException} when the ring does.
 */
public interface Ring {
    int rank();

    int size();

    /**
     * Starts sending tensors under a name. They are immutable until {@code lease} is free again and
     * may be read once {@code ready} has happened.
     */
    void send(Frame frame, List<Tensor> tensors, Event ready, Lease lease);

    /** Starts receiving what the previous rank sends under this name. */
    Transfer receive(Frame frame);

    /** Blocks until a condition that another thread makes true and then unparks this one. */
    void awaitUntil(BooleanSupplier condition);

    /** Time this rank has spent waiting for others since the ring was formed. */
    long nanosWaited();

    /** Something on its way to this rank. */
    interface Transfer {
        /** Waits for the tensors; work of {@code device} queued from now on may read them. */
        List<Tensor> await(Device device);

        /** The lease of what arrived: to send it on, and to release it after the last read. */
        Lease lease();
    }
}
