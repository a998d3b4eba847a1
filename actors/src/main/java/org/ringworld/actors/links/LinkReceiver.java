package org.ringworld.actors.links;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ClosedChannelException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;
import org.ringworld.model.ring.Frame;
import org.ringworld.model.ring.Lease;
import org.ringworld.model.ring.RingMember;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Event;
import org.ringworld.runtime.Staging;
import org.ringworld.runtime.Tensor;

/**
 * A link from another rank, of one group: one thread reads frames straight into the memory that
 * this rank has set aside for them, from the socket or, where they are only named there, from the
 * other process's memory. A frame that nobody expects yet is not read: it waits in the socket, and
 * its sender with it. Nothing that the other side says makes this side take memory.
 */
final class LinkReceiver implements RingMember.Incoming, AutoCloseable {
    private static final long PARK_NANOS = 1_000_000;
    private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);

    /** What the sender of a named frame is told: it may write there again. */
    private static final ByteBuffer READ = ByteBuffer.allocateDirect(1);

    /**
     * @param free when nothing that is queued uses what was there before
     */
    private record Place(Tensor tensor, Event free) {}

    private final long epoch;
    private final int from;
    private final CompletableFuture<Links.Neighbour> link;
    private final RingMember member;
    private final Device device;
    private final ReceiveBuffers buffers;
    private final LongAdder progress;
    private final Staging staging;
    private final ConcurrentHashMap<Frame, Place> expected = new ConcurrentHashMap<>();
    private final ConcurrentHashMap<Tensor, MemorySegment> memory = new ConcurrentHashMap<>();
    private final Thread thread;
    private volatile boolean closed;

    /**
     * @param link comes when that rank has something to send, or fails when the ring breaks
     */
    LinkReceiver(
            long epoch,
            int from,
            CompletableFuture<Links.Neighbour> link,
            RingMember member,
            Device device,
            ReceiveBuffers buffers,
            LongAdder progress) {
        this.epoch = epoch;
        this.from = from;
        this.link = link;
        this.member = member;
        this.device = device;
        this.buffers = buffers;
        this.progress = progress;
        this.staging = device.staging(FrameHeader.CHUNK);
        this.thread = LinkThread.start("link-in-" + member.rank(), this::run);
    }

    @Override
    public void expect(Frame frame, DType dtype, long... shape) {
        long bytes = Math.multiplyExact(Tensor.count(shape), dtype.bytes());
        MemorySegment whole = buffers.take(bytes);
        Tensor tensor = new Tensor(device, dtype, whole.asSlice(0, bytes), shape);
        memory.put(tensor, whole);
        expect(frame, tensor);
    }

    @Override
    public void expect(Frame frame, Tensor place) {
        expected.put(frame, new Place(place, device.record()));
        LockSupport.unpark(thread);
    }

    private void run() {
        try {
            Links.Neighbour there = link.get();
            receive(
                    there.channel(),
                    there.readsNames() ? new ProcessMemory(there.process()) : null);
        } catch (ClosedChannelException | ExecutionException | InterruptedException e) {
            member.breakUp("this rank left the ring");
        } catch (IOException e) {
            if (!closed) {
                member.breakUp("the link from rank " + from + " broke: " + e.getMessage());
            }
        } catch (RuntimeException | Error e) {
            member.breakUp("the link from rank " + from + " broke: " + e); // else all would wait
        }
    }

    /**
     * @param there whose memory holds what is only named; null: nothing is
     */
    private void receive(LinkChannel channel, ProcessMemory there) throws IOException {
        ByteBuffer bytes =
                ByteBuffer.allocateDirect(FrameHeader.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        Frame current = null;
        Tensor tensor = null;
        long done = 0;
        long began = 0;
        while (!closed) {
            bytes.clear();
            channel.readFully(bytes);
            FrameHeader header = FrameHeader.read(bytes, epoch);
            if (current == null) {
                current = header.frame();
                Place place = awaitExpected(current);
                place.free.await();
                tensor = place.tensor;
                done = 0;
                began = System.nanoTime();
            }
            if (!header.frame().equals(current)
                    || !(header.named() || header.offset() == done)
                    || header.length() > tensor.bytes() - done) {
                throw new LinkException(
                        "%d bytes at %d of %s came where %d bytes of %s were left"
                                .formatted(
                                        header.length(),
                                        header.offset(),
                                        header.frame(),
                                        tensor.bytes() - done,
                                        current));
            }
            if (header.named()) {
                readThere(there, header, tensor, done);
            } else {
                MemorySegment chunk = staging.space(tensor, done, header.length());
                channel.readFully(chunk.asByteBuffer());
                staging.write();
                progress.add(header.length());
            }
            done += header.length();
            if (done == tensor.bytes()) {
                if (header.named()) {
                    // Refused where the sender has left: then its memory may have been anything.
                    channel.write(READ.duplicate(), NOTHING.duplicate());
                }
                Tensor whole = tensor;
                Lease lease = new Lease(() -> release(whole));
                lease.retain();
                member.arrived(from, current, tensor, Event.HAPPENED, lease, began);
                current = null;
            }
        }
    }

    private void readThere(ProcessMemory there, FrameHeader header, Tensor to, long done)
            throws IOException {
        if (there == null) {
            throw new LinkException("a frame was only named, by a process that cannot be read");
        }
        for (long at = 0; at < header.length(); at += FrameHeader.CHUNK) {
            long length = Math.min(FrameHeader.CHUNK, header.length() - at);
            there.read(header.offset() + at, staging.space(to, done + at, length));
            staging.write();
            progress.add(length);
        }
    }

    private void release(Tensor tensor) {
        MemorySegment whole = memory.remove(tensor);
        if (whole != null) {
            buffers.give(whole);
        }
    }

    private Place awaitExpected(Frame frame) throws IOException {
        Place place = expected.remove(frame);
        while (place == null) {
            if (closed || member.broken() != null) {
                throw new ClosedChannelException();
            }
            LockSupport.parkNanos(this, PARK_NANOS);
            place = expected.remove(frame);
        }
        return place;
    }

    /** Ends it; when this returns nothing writes into the memory of what was expected. */
    @Override
    public void close() {
        closed = true;
        link.completeExceptionally(new ClosedChannelException()); // unless it has come
        link.thenAccept(neighbour -> neighbour.channel().close());
        LinkThread.join(thread);
        staging.close();
        for (Tensor tensor : memory.keySet()) {
            MemorySegment whole = memory.remove(tensor);
            if (whole != null) {
                buffers.reclaim(whole);
            }
        }
    }
}
