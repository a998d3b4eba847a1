package org.ringworld.model.ring;

import java.util.function.BooleanSupplier;
import org.ringworld.runtime.DType;
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
     * Starts sending a tensor under a name. It is immutable until {@code lease} is free again and
     * may be read once {@code ready} has happened.
     */
    void send(Frame frame, Tensor tensor, Event ready, Lease lease);

    /**
     * Starts receiving the tensor that the previous rank sends under this name. To be called in the
     * order in which that rank sends, and before waiting for what it sends later: a wire is one
     * queue, and what nobody expects yet holds up what follows.
     */
    Transfer receive(Frame frame, DType dtype, long... shape);

    /**
     * Starts receiving into memory of the caller's, where a link can: what arrives by reference is
     * another tensor, and is copied by the caller. Nothing else uses that memory meanwhile.
     */
    Transfer receiveInto(Tensor place, Frame frame);

    /** Blocks until a condition that another thread makes true and then unparks this one. */
    void awaitUntil(BooleanSupplier condition);

    /** What this rank's time went into since the ring was formed. */
    Times times();

    /**
     * Nanoseconds.
     *
     * @param waited for others
     * @param receiving from the first to the last byte of each tile of keys, values or their
     *     gradients
     * @param exposed part of receiving in which this rank waited for just that tile: not hidden
     *     behind its work
     * @param bytesReceived of such tiles
     */
    record Times(long waited, long receiving, long exposed, long bytesReceived) {
        public Times since(Times start) {
            return new Times(
                    waited - start.waited,
                    receiving - start.receiving,
                    exposed - start.exposed,
                    bytesReceived - start.bytesReceived);
        }
    }

    /** Something on its way to this rank. */
    interface Transfer {
        /** Whether {@link #await} would return at once. */
        boolean hasArrived();

        /** Waits for the tensor; work of {@code device} queued from now on may read it. */
        Tensor await(Device device);

        /** The lease of what arrived: to send it on, and to release it after the last read. */
        Lease lease();
    }
}
