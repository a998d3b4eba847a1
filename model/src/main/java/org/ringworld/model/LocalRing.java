package org.ringworld.model;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Event;
import org.ringworld.runtime.Tensor;

/**
 * The ring whose ranks live in one JVM: tensors pass by reference, under the same frames and leases
 * as over a wire. One ring is one epoch; when it is broken it stays so.
 */
public final class LocalRing {
    // Long enough for a neighbour that is a kernel behind, short enough not to burn a core.
    private static final int SPINS = 2_000;
    private static final long PARK_NANOS = 1_000_000;

    private final List<Member> members = new ArrayList<>();
    private volatile String broken;

    public LocalRing(int size) {
        for (int rank = 0; rank < size; rank++) {
            members.add(new Member(rank));
        }
    }

    /** A rank's end of the ring. */
    public Ring member(int rank) {
        return members.get(rank);
    }

    /** Ends the ring: every wait, now and later, fails with this reason. */
    public void breakUp(String reason) {
        if (broken == null) {
            broken = reason;
        }
        members.forEach(m -> LockSupport.unpark(m.driver));
    }

    private record Arrival(List<Tensor> tensors, Event ready, Lease lease) {}

    private final class Member implements Ring {
        private final int rank;
        private final ConcurrentHashMap<Frame, Arrival> arrivals = new ConcurrentHashMap<>();
        private volatile Thread driver;
        private volatile long nanosWaited;

        Member(int rank) {
            this.rank = rank;
        }

        @Override
        public int rank() {
            return rank;
        }

        @Override
        public int size() {
            return members.size();
        }

        @Override
        public void send(Frame frame, List<Tensor> tensors, Event ready, Lease lease) {
            lease.retain();
            Member next = members.get((rank + 1) % size());
            next.arrivals.put(frame, new Arrival(tensors, ready, lease));
            LockSupport.unpark(next.driver);
        }

        @Override
        public Transfer receive(Frame frame) {
            return new Transfer() {
                private Arrival arrival;

                @Override
                public List<Tensor> await(Device device) {
                    awaitUntil(() -> (arrival = arrivals.remove(frame)) != null);
                    device.await(arrival.ready);
                    return arrival.tensors;
                }

                @Override
                public Lease lease() {
                    return arrival.lease;
                }
            };
        }

        @Override
        public void awaitUntil(BooleanSupplier condition) {
            driver = Thread.currentThread();
            if (condition.getAsBoolean()) {
                return;
            }
            long start = System.nanoTime();
            for (int spin = 0; !condition.getAsBoolean(); spin++) {
                if (broken != null) {
                    throw new RingBrokenException(broken);
                }
                if (spin < SPINS) {
                    Thread.onSpinWait();
                } else {
                    LockSupport.parkNanos(this, PARK_NANOS);
                }
            }
            nanosWaited += System.nanoTime() - start;
        }

        @Override
        public long nanosWaited() {
            return nanosWaited;
        }
    }
}
