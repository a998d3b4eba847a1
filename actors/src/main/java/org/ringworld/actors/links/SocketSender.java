package org.ringworld.actors.links;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ClosedChannelException;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import org.ringworld.model.ring.Frame;
import org.ringworld.model.ring.Lease;
import org.ringworld.model.ring.RingMember;
import org.ringworld.runtime.Event;
import org.ringworld.runtime.Staging;
import org.ringworld.runtime.Tensor;

/**
 * A link to another rank: one thread writes frames in the order in which they were sent, a chunk at
 * a time, straight from the tensors' memory where the host reaches it; small ones are written by
 * the rank itself where the socket has room for them, so that no other thread has to wake. That
 * rank reads a frame when it has memory for it; until then the socket's own window holds it up
 * here, which is all the credit there is: what is on its way is bounded by the window, and it is
 * thrown away with the connection when the epoch ends.
 */
final class SocketSender implements LinkSender {
    /**
     * @param rest of its only chunk, behind what is left of the header; null where nothing has gone
     */
    private record Pending(Frame frame, Tensor tensor, Event ready, Lease lease, ByteBuffer rest) {}

    private final long epoch;
    private final int to;
    private final LinkChannel channel;
    private final RingMember member;
    private final LongAdder progress;
    private final Staging staging;
    private final BlockingQueue<Pending> queue = new LinkedBlockingQueue<>();
    // Frames that are the thread's to write; while there are any, so are channel and header.
    private final AtomicInteger left = new AtomicInteger();
    private final ByteBuffer header =
            ByteBuffer.allocateDirect(FrameHeader.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    private final Thread thread;

    /**
     * @param staging of the device whose tensors are sent; closed with this
     */
    SocketSender(
            long epoch,
            int to,
            LinkChannel channel,
            RingMember member,
            LongAdder progress,
            Staging staging) {
        this.staging = staging;
        this.epoch = epoch;
        this.to = to;
        this.channel = channel;
        this.member = member;
        this.progress = progress;
        this.thread = LinkThread.start("link-out-" + member.rank(), this::run);
    }

    @Override
    public void send(Frame frame, Tensor tensor, Event ready, Lease lease) {
        ByteBuffer rest = null;
        if (staging.inPlace()
                && left.get() == 0
                && ready == Event.HAPPENED
                && tensor.bytes() <= SMALL) {
            rest = staging.read(tensor, 0, tensor.bytes()).asByteBuffer();
            try {
                if (isSentNow(frame, rest)) {
                    lease.release(Event.HAPPENED);
                    return;
                }
            } catch (IOException e) {
                LinkSender.broke(member, to, e);
                return;
            }
        }
        left.incrementAndGet();
        queue.add(new Pending(frame, tensor, ready, lease, rest));
    }

    private boolean isSentNow(Frame frame, ByteBuffer bytes) throws IOException {
        int length = bytes.remaining();
        new FrameHeader(epoch, frame, false, 0, length).write(header);
        boolean all = channel.writeNow(header, bytes);
        progress.add(length - bytes.remaining());
        return all;
    }

    private void run() {
        try {
            while (true) {
                Pending next = queue.take();
                next.ready.await();
                write(next);
                left.decrementAndGet();
                next.lease.release(Event.HAPPENED);
            }
        } catch (InterruptedException e) {
            LinkSender.broke(member, to, new ClosedChannelException());
        } catch (IOException | RuntimeException | Error e) {
            LinkSender.broke(member, to, e);
        }
    }

    private void write(Pending next) throws IOException {
        if (next.rest != null) {
            progress.add(next.rest.remaining());
            channel.write(header, next.rest);
            return;
        }
        for (long at = 0; at < next.tensor.bytes(); at += FrameHeader.CHUNK) {
            int length = (int) Math.min(FrameHeader.CHUNK, next.tensor.bytes() - at);
            MemorySegment bytes = staging.read(next.tensor, at, length);
            new FrameHeader(epoch, next.frame, false, at, length).write(header);
            channel.write(header, bytes.asByteBuffer());
            progress.add(length);
        }
    }

    /** Ends it; when this returns nothing reads the tensors any more. */
    @Override
    public void close() {
        channel.close();
        thread.interrupt();
        LinkThread.join(thread);
        staging.close();
    }
}
