package org.ringworld.actors.links;

import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.CancelledKeyException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.concurrent.atomic.LongAdder;
import org.ringworld.model.ring.Frame;
import org.ringworld.model.ring.Lease;
import org.ringworld.model.ring.RingMember;
import org.ringworld.runtime.Event;
import org.ringworld.runtime.Tensor;

/**
 * A link to a rank that reads this process's memory: frames are named, by their address, and lent
 * until it says that it has read them; small ones go along with their names. Names are written by
 * the rank itself while the socket has room for them. One thread waits for the answers, and for
 * room.
 */
final class NamingSender implements LinkSender {
    private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);

    private record Pending(Frame frame, Tensor tensor, Event ready, Lease lease) {
        boolean isSmall() {
            return tensor.bytes() <= SMALL;
        }
    }

    private final long epoch;
    private final int to;
    private final SocketChannel socket;
    private final RingMember member;
    private final LongAdder progress;
    private final Selector selector;
    private final SelectionKey key;
    private final Thread thread;

    // What follows is guarded by this object's lock.
    private final ArrayDeque<Pending> unsent = new ArrayDeque<>();
    private final ArrayDeque<Lease> unread = new ArrayDeque<>();
    private final ByteBuffer[] parts = {
        ByteBuffer.allocateDirect(FrameHeader.BYTES).order(ByteOrder.LITTLE_ENDIAN).limit(0),
        NOTHING
    };
    private long named; // bytes of the first unsent frame

    NamingSender(long epoch, int to, SocketChannel socket, RingMember member, LongAdder progress)
            throws IOException {
        this.epoch = epoch;
        this.to = to;
        this.socket = socket;
        this.member = member;
        this.progress = progress;
        this.selector = Selector.open();
        socket.configureBlocking(false);
        this.key = socket.register(selector, SelectionKey.OP_READ);
        this.thread = LinkThread.start("link-out-" + member.rank(), this::run);
    }

    @Override
    public void send(Frame frame, Tensor tensor, Event ready, Lease lease) {
        try {
            synchronized (this) {
                unsent.add(new Pending(frame, tensor, ready, lease));
                if (unsent.size() == 1 && ready == Event.HAPPENED && areSentNow(null)) {
                    return;
                }
            }
            selector.wakeup();
        } catch (IOException e) {
            LinkSender.broke(member, to, e);
        }
    }

    /**
     * Writes what is ready, while there is room.
     *
     * @param awaited is ready too
     * @return whether nothing is left
     */
    private boolean areSentNow(Pending awaited) throws IOException {
        for (Pending next = unsent.peek(); next != null; next = unsent.peek()) {
            if (next.ready != Event.HAPPENED && next != awaited) {
                return false;
            }
            do {
                if (!parts[0].hasRemaining() && !parts[1].hasRemaining()) {
                    name(next);
                }
                socket.write(parts);
                if (parts[0].hasRemaining() || parts[1].hasRemaining()) {
                    return false;
                }
            } while (named < next.tensor.bytes());
            named = 0;
            unsent.remove();
            if (next.isSmall()) {
                next.lease.release(Event.HAPPENED);
            } else {
                unread.add(next.lease);
            }
        }
        return true;
    }

    /** Prepares the next header of a frame, and its bytes where they are few. */
    private void name(Pending next) {
        boolean small = next.isSmall();
        int length = (int) Math.min(FrameHeader.NAMED, next.tensor.bytes() - named);
        MemorySegment bytes = next.tensor.device().hostView(next.tensor);
        long offset = small ? 0 : bytes.address() + named;
        new FrameHeader(epoch, next.frame, !small, offset, length).write(parts[0]);
        parts[1] = small ? bytes.asByteBuffer() : NOTHING;
        named += length;
        progress.add(length);
    }

    private void run() {
        ByteBuffer answers = ByteBuffer.allocateDirect(FrameHeader.BYTES);
        try {
            while (true) {
                sendRest();
                selector.select();
                selector.selectedKeys().clear();
                for (int read = socket.read(answers.clear());
                        read != 0;
                        read = socket.read(answers.clear())) {
                    if (read < 0) {
                        throw new EOFException("the other side closed it");
                    }
                    for (int i = 0; i < read; i++) {
                        lentOnce().release(Event.HAPPENED);
                    }
                }
            }
        } catch (ClosedSelectorException | CancelledKeyException e) {
            LinkSender.broke(member, to, new ClosedChannelException());
        } catch (IOException | RuntimeException | Error e) {
            LinkSender.broke(member, to, e);
        }
    }

    private void sendRest() throws IOException {
        Pending first;
        synchronized (this) {
            first = unsent.peek();
        }
        if (first != null) {
            first.ready.await();
            synchronized (this) {
                boolean all = areSentNow(first);
                boolean full = !all && (parts[0].hasRemaining() || parts[1].hasRemaining());
                key.interestOps(SelectionKey.OP_READ | (full ? SelectionKey.OP_WRITE : 0));
                if (!all && !full) {
                    selector.wakeup(); // the next one is not ready: await it
                }
            }
        } else {
            key.interestOps(SelectionKey.OP_READ);
        }
    }

    /** The frame that was lent for the longest. */
    private synchronized Lease lentOnce() throws LinkException {
        Lease lease = unread.poll();
        if (lease == null) {
            throw new LinkException("it says it has read what nobody sent");
        }
        return lease;
    }

    @Override
    public void close() {
        LinkChannel.closeQuietly(socket);
        try {
            selector.close(); // only now the socket is closed, and what is still read is refused
        } catch (IOException e) {
            // Nothing more can be done with it.
        }
        LinkThread.join(thread);
    }
}
