package org.ringworld.actors.links;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ClosedChannelException;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.LongAdder;
import org.ringworld.model.Frame;
import org.ringworld.model.Lease;
import org.ringworld.model.RingMember;
import org.ringworld.runtime.Event;
import org.ringworld.runtime.Tensor;

/**
 * The link to the next rank: one thread writes frames in the order in which they were sent, a chunk
 * at a time, straight from the tensors' memory. The next rank reads a frame when it has memory for
 * it; until then the socket's own window holds it up here, which is all the credit there is: what
 * is on its way is bounded by the window, and it is thrown away with the connection when the epoch
 * ends.
 */
final class LinkSender implements RingMember.Outgoing, AutoCloseable {
    private record Pending(Frame frame, Tensor tensor, Event ready, Lease lease) {}

    private final long epoch;
    private final LinkChannel channel;
    private final RingMember member;
    private final LongAdder progress;
    private final BlockingQueue<Pending> queue = new LinkedBlockingQueue<>();
    private final Thread thread;

    LinkSender(long epoch, LinkChannel channel, RingMember member, LongAdder progress) {
        this.epoch = epoch;
        this.channel = channel;
        this.member = member;
        this.progress = progress;
        this.thread =
                Thread.ofPlatform().daemon().name("link-out-" + member.rank()).unstarted(this::run);
        thread.start();
    }

    @Override
    public void send(Frame frame, Tensor tensor, Event ready, Lease lease) {
        queue.add(new Pending(frame, tensor, ready, lease));
    }

    private void run() {
        ByteBuffer header =
                ByteBuffer.allocateDirect(FrameHeader.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        try {
            while (true) {
                Pending next = queue.take();
                next.ready.await();
                write(header, next);
                next.lease.release(Event.HAPPENED);
            }
        } catch (InterruptedException | ClosedChannelException e) {
            member.breakUp("this rank left the ring");
        } catch (IOException e) {
            member.breakUp("the link to the next rank broke: " + e.getMessage());
        }
    }

    private void write(ByteBuffer header, Pending next) throws IOException {
        MemorySegment memory = next.tensor.memory();
        for (long at = 0; at < memory.byteSize(); at += FrameHeader.CHUNK) {
            int length = (int) Math.min(FrameHeader.CHUNK, memory.byteSize() - at);
            new FrameHeader(epoch, next.frame, at, length).write(header);
            channel.write(header, memory.asSlice(at, length).asByteBuffer());
            progress.add(length);
        }
    }

    /** Ends it; when this returns nothing reads the tensors any more. */
    @Override
    public void close() {
        channel.close();
        thread.interrupt();
        Joining.join(thread);
    }
}
