package org.ringworld.model.ring;

import java.util.function.BooleanSupplier;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Event;
import org.ringworld.runtime.Tensor;

/**
 * One rank's view of a ring. Blocks go to the next rank and come from the previous one, other
 * frames to and from any. Sending returns at once; waiting is done where a value is needed. All
 * waits end with a {@link RingBrokenException} when the ring does.
 *
 * <p>What goes from one rank to another under passes of one {@link Group} is one queue: what nobody
 * expects yet holds up what follows in it, and nothing else.
 */
public interface Ring {
    int rank();

    int size();

    /**
     * Starts sending a tensor to a rank under a name. It is immutable until {@code lease} is free
     * again and may be read once {@code ready} has happened.
     *
     * @throws IllegalStateException where no link leads there
     */
    void send(int to, Frame frame, Tensor tensor, Event ready, Lease lease);

    /**
     * Starts receiving the tensor that a rank sends to this one under this name. To be called in
     * the order in which that rank sends what is of the name's group, and before waiting for what
     * it sends later.
     *
     * @throws IllegalStateException where no link comes from there
     */
    Transfer receive(int from, Frame frame, DType dtype, long... shape);

    /**
     * Starts receiving into memory of the caller's, where a link can: what arrives by reference is
     * another tensor, and is copied by the caller. Nothing else uses that memory meanwhile.
     */
    Transfer receiveInto(int from, Tensor place, Frame frame);

    /** Starts sending to the next rank. */
    default void send(Frame frame, Tensor tensor, Event ready, Lease lease) {
        send(next(), frame, tensor, ready, lease);
    }

    /** Starts receiving what the previous rank sends. */
    default Transfer receive(Frame frame, DType dtype, long... shape) {
        return receive(previous(), frame, dtype, shape);
    }

    /** Starts receiving what the previous rank sends into memory of the caller's. */
    default Transfer receiveInto(Tensor place, Frame frame) {
        return receiveInto(previous(), place, frame);
    }

    private int next() {
        return (rank() + 1) % size();
    }

    private int previous() {
        return (rank() + size() - 1) % size();
    }

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
