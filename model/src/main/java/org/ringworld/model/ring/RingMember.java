package org.ringworld.model.ring;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Event;
import org.ringworld.runtime.Tensor;

/**
 * One rank's end of a ring, whatever its links are made of: what it sends goes into the {@link
 * Outgoing} of a rank and a group, and whoever brings what another rank sends calls {@link
 * #arrived}. It belongs to one epoch; when it is broken it stays so.
 */
public final class RingMember implements Ring {
    // Long enough for a neighbour that is a kernel behind, short enough not to burn a core.
    private static final int SPINS = 2_000;
    private static final int SPINS_A_YIELD = 16;
    private static final long PARK_NANOS = 1_000_000;

    /** A link to another rank. Called by the device's own thread; returns at once. */
    public interface Outgoing {
        /** To be released in {@code lease}, which is retained already, when it has been read. */
        void send(Frame frame, Tensor tensor, Event ready, Lease lease);
    }

    /** A link from another rank. */
    public interface Incoming {
        /** References come by themselves and need no memory of this rank's. */
        Incoming BY_REFERENCE =
                new Incoming() {
                    @Override
                    public void expect(Frame frame, DType dtype, long... shape) {}

                    @Override
                    public void expect(Frame frame, Tensor place) {}
                };

        /** Prepares memory for what will come under this name. */
        void expect(Frame frame, DType dtype, long... shape);

        /** What comes under this name belongs there. */
        void expect(Frame frame, Tensor place);
    }

    private final int rank;
    private final int size;
    // Of each rank: two of them may use the same name.
    private final List<ConcurrentHashMap<Frame, Arrival>> arrivals = new ArrayList<>();
    private final Outgoing[][] outgoing;
    private final Incoming[][] incoming;
    private volatile Thread driver;
    private volatile Frame awaited;
    private volatile boolean waiting;
    private volatile String broken;
    private final AtomicInteger holds = new AtomicInteger();
    private long waited;
    private long receiving;
    private long exposed;
    private long bytesReceived;

    public RingMember(int rank, int size) {
        this.rank = rank;
        this.size = size;
        this.outgoing = new Outgoing[size][Group.values().length];
        this.incoming = new Incoming[size][Group.values().length];
        for (int from = 0; from < size; from++) {
            arrivals.add(new ConcurrentHashMap<>());
        }
    }

    /** Sets the link that a group takes to a rank; before the first frame. */
    public void linkTo(int to, Group group, Outgoing link) {
        outgoing[to][group.ordinal()] = link;
    }

    /** Sets the link by which a group comes from a rank; before the first frame. */
    public void linkFrom(int from, Group group, Incoming link) {
        incoming[from][group.ordinal()] = link;
    }

    /** Links it both ways to a rank of the same JVM: tensors pass by reference. */
    public void linkWith(RingMember other) {
        for (Group group : Group.values()) {
            linkTo(
                    other.rank,
                    group,
                    (frame, x, ready, lease) -> other.arrived(rank, frame, x, ready, lease));
            linkFrom(other.rank, group, Incoming.BY_REFERENCE);
        }
    }

    /**
     * @param began when its first byte came, in nanoseconds of {@link System#nanoTime}
     * @param ended when its last one was here
     */
    private record Arrival(Tensor tensor, Event ready, Lease lease, long began, long ended) {}

    /** What a rank of the same JVM sent is here, by reference. */
    private void arrived(int from, Frame frame, Tensor tensor, Event ready, Lease lease) {
        arrived(from, frame, tensor, ready, lease, System.nanoTime());
    }

    /**
     * What a rank sent is here.
     *
     * @param lease retained for this rank, which releases it after its last read
     * @param began when its first byte came, in nanoseconds of {@link System#nanoTime}
     */
    public void arrived(
            int from, Frame frame, Tensor tensor, Event ready, Lease lease, long began) {
        arrivals.get(from).put(frame, new Arrival(tensor, ready, lease, began, System.nanoTime()));
        // What is only needed later need not wake anybody.
        Frame only = awaited;
        if (only == null || only.equals(frame)) {
            LockSupport.unpark(driver);
        }
    }

    /** Ends it: every wait, now and later, fails with this reason; the first one counts. */
    public void breakUp(String reason) {
        if (broken == null) {
            broken = reason;
        }
        LockSupport.unpark(driver);
    }

    /** Why it is broken, or null. */
    public String broken() {
        return broken;
    }

    /** From here to {@link #letGo} it may read tensors that others of this JVM sent it. */
    public void hold() {
        holds.incrementAndGet();
    }

    public void letGo() {
        holds.decrementAndGet();
    }

    /** Whether memory that was sent to it must stay where it is. */
    public boolean holds() {
        return holds.get() > 0;
    }

    /** Whether its device stands still until another rank sends or releases something. */
    public boolean isWaiting() {
        return waiting;
    }

    /** Says that its device stands still until another process answers, or no longer does. */
    public void waits(boolean now) {
        waiting = now;
    }

    @Override
    public int rank() {
        return rank;
    }

    @Override
    public int size() {
        return size;
    }

    @Override
    public void send(int to, Frame frame, Tensor tensor, Event ready, Lease lease) {
        Outgoing link = outgoing[to][frame.pass().group().ordinal()];
        if (link == null) {
            throw new IllegalStateException("no link leads from rank " + rank + " to rank " + to);
        }
        lease.retain();
        link.send(frame, tensor, ready, lease);
    }

    @Override
    public Transfer receive(int from, Frame frame, DType dtype, long... shape) {
        incoming(from, frame).expect(frame, dtype, shape);
        return transfer(from, frame);
    }

    @Override
    public Transfer receiveInto(int from, Tensor place, Frame frame) {
        incoming(from, frame).expect(frame, place);
        return transfer(from, frame);
    }

    private Incoming incoming(int from, Frame frame) {
        Incoming link = incoming[from][frame.pass().group().ordinal()];
        if (link == null) {
            throw new IllegalStateException("no link comes from rank " + from + " to rank " + rank);
        }
        return link;
    }

    private Transfer transfer(int from, Frame frame) {
        ConcurrentHashMap<Frame, Arrival> arrived = arrivals.get(from);
        return new Transfer() {
            private Arrival arrival;

            @Override
            public boolean hasArrived() {
                if (arrival == null) {
                    arrival = arrived.remove(frame);
                }
                return arrival != null;
            }

            @Override
            public Tensor await(Device device) {
                long needed = System.nanoTime();
                awaited = frame;
                awaitUntil(this::hasArrived);
                awaited = null;
                if (frame.pass().group() == Group.BLOCKS) {
                    bytesReceived += arrival.tensor.bytes();
                    receiving += arrival.ended - arrival.began;
                    exposed += Math.max(0, arrival.ended - Math.max(needed, arrival.began));
                }
                device.await(arrival.ready);
                return arrival.tensor;
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
        waiting = true;
        try {
            for (int spin = 0; !condition.getAsBoolean(); spin++) {
                if (broken != null) {
                    throw new RingBrokenException(broken);
                }
                if (spin < SPINS) {
                    spin(spin);
                } else {
                    LockSupport.parkNanos(this, PARK_NANOS);
                }
            }
        } finally {
            waiting = false;
            waited += System.nanoTime() - start;
        }
    }

    /** Leaves the core now and then to a link's thread that may have what is waited for. */
    private static void spin(int turn) {
        if (turn % SPINS_A_YIELD == 0) {
            Thread.yield();
        } else {
            Thread.onSpinWait();
        }
    }

    @Override
    public Times times() {
        return new Times(waited, receiving, exposed, bytesReceived);
    }
}
