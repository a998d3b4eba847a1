package org.ringworld.model.ring;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.ringworld.model.ring.Frame.Pass;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;

/**
 * What all ranks' tokens came to in a step. Every rank learns the numbers of all before it updates,
 * so that any survivor of a loss can tell of the step, and adds them in the order of ranks.
 */
public final class StepSums implements AutoCloseable {
    private final Device device;
    private Tensor all;

    public StepSums(Device device) {
        this.device = device;
    }

    /**
     * Of each part of the targets, in an order that all ranks know.
     *
     * @param loss Σ w·ce
     * @param hits answers that were right
     */
    public record Sums(double[] loss, long[] hits) {
        public Sums(int parts) {
            this(new double[parts], new long[parts]);
        }

        public int parts() {
            return loss.length;
        }
    }

    public Sums gather(Ring ring, Sums own, long step) {
        int size = ring.size();
        int parts = own.parts();
        long fields = 2L * parts;
        if (all == null || all.dim(0) != size || all.dim(1) != 2 * fields) {
            close();
            all = device.tensor(DType.I32, size, 2 * fields); // two I32 are one 64-bit number
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(all.bytes(), Long.BYTES);
            MemorySegment mine = host.asSlice(0, fields * Long.BYTES);
            for (int part = 0; part < parts; part++) {
                mine.setAtIndex(ValueLayout.JAVA_DOUBLE, part, own.loss[part]);
                mine.setAtIndex(ValueLayout.JAVA_LONG, parts + part, own.hits[part]);
            }
            device.copyIn(mine, row(ring.rank()));
            Lease lease = new Lease();
            for (int hop = 0; hop + 1 < size; hop++) {
                int outgoing = Math.floorMod(ring.rank() - hop, size);
                int incoming = Math.floorMod(ring.rank() - hop - 1, size);
                ring.send(frame(step, hop, outgoing), row(outgoing), device.record(), lease);
                Ring.Transfer next =
                        ring.receive(frame(step, hop, incoming), DType.I32, row(incoming).shape());
                device.copyOut(next.await(device), mine);
                device.copyIn(mine, row(incoming));
                next.lease().release(device.record());
            }
            lease.awaitFree(ring, device);
            device.copyOut(all, host);
            Sums whole = new Sums(parts);
            for (int rank = 0; rank < size; rank++) {
                for (int part = 0; part < parts; part++) {
                    long at = fields * rank + part;
                    whole.loss[part] += host.getAtIndex(ValueLayout.JAVA_DOUBLE, at);
                    whole.hits[part] += host.getAtIndex(ValueLayout.JAVA_LONG, at + parts);
                }
            }
            return whole;
        }
    }

    @Override
    public void close() {
        if (all != null) {
            device.free(all);
            all = null;
        }
    }

    private Tensor row(int rank) {
        return all.rows(rank, rank + 1);
    }

    private static Frame frame(long step, int hop, int origin) {
        return new Frame(step, 0, 0, Pass.OUTCOME, hop, origin, 0);
    }
}
