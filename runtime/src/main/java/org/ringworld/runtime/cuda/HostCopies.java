package org.ringworld.runtime.cuda;

import java.lang.foreign.MemorySegment;
import jcuda.driver.JCudaDriver;

/** Copies between the host's memory and the card's, in a device's order, through pinned memory. */
final class HostCopies {
    private final CudaContext context;
    private final CudaQueue queue;
    private final PinnedRing ring;

    HostCopies(CudaContext context, CudaQueue queue) {
        this.context = context;
        this.queue = queue;
        ring = new PinnedRing(context);
    }

    private record Coming(MemorySegment piece, MemorySegment host, CudaQueue.Point copied) {
        void arrive() {
            copied.reach();
            host.copyFrom(piece);
        }
    }

    /** Queues a copy; {@code host} may be reused when it returns. */
    void in(MemorySegment host, MemorySegment device) {
        context.enter();
        for (long at = 0; at < host.byteSize(); at += PinnedRing.PIECE) {
            long bytes = Math.min(PinnedRing.PIECE, host.byteSize() - at);
            MemorySegment piece = ring.take(bytes);
            piece.copyFrom(host.asSlice(at, bytes));
            context.check(
                    JCudaDriver.cuMemcpyHtoDAsync(
                            new DevicePointer(device.address() + at),
                            new HostPointer(piece),
                            bytes,
                            queue.stream()),
                    "copying " + bytes + " bytes to the card");
            ring.used(piece, queue.record());
        }
    }

    /**
     * Waits for everything queued and copies; a piece is on its way while another arrives.
     *
     * @throws IndexOutOfBoundsException where a kernel before it was given an id that its table
     *     lacks
     */
    void out(MemorySegment device, MemorySegment host) {
        context.enter();
        Coming coming = null;
        for (long at = 0; at < host.byteSize(); at += PinnedRing.PIECE) {
            long bytes = Math.min(PinnedRing.PIECE, host.byteSize() - at);
            MemorySegment piece = ring.take(bytes);
            context.check(
                    JCudaDriver.cuMemcpyDtoHAsync(
                            new HostPointer(piece),
                            new DevicePointer(device.address() + at),
                            bytes,
                            queue.stream()),
                    "copying " + bytes + " bytes to the host");
            CudaQueue.Point copied = queue.record();
            ring.used(piece, copied);
            if (coming != null) {
                coming.arrive();
            }
            coming = new Coming(piece, host.asSlice(at, bytes), copied);
        }
        if (coming == null) {
            queue.drain();
        } else {
            coming.arrive();
        }
        queue.faults().take();
    }

    void close() {
        ring.close();
    }
}
