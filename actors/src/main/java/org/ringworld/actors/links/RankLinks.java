package org.ringworld.actors.links;

import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.LongAdder;
import org.ringworld.model.ring.Frame;
import org.ringworld.model.ring.Group;
import org.ringworld.model.ring.Ring;
import org.ringworld.model.ring.RingBrokenException;
import org.ringworld.model.ring.RingMember;
import org.ringworld.model.ring.RingPlaces;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Staging;
import org.ringworld.runtime.Tensor;

/**
 * One rank's place in the ring of one epoch: a seat for the ranks that link to it, and its links to
 * others. It is taken at once and linked later, so that it can be broken up at any time in between.
 *
 * <p>Ranks of other processes, and of this one where a device does not reach another's tensors,
 * have a connection for each pair and group, made when the first frame is sent; that of blocks to
 * the next rank stands from the beginning, so that the end of a neighbour is seen whatever it does.
 */
public final class RankLinks implements AutoCloseable {
    private final Links links;
    private final RingPlaces places;
    private final RingMember member;
    private final Seat seat;
    private final LongAdder progress = new LongAdder();
    // The rank's own thread alone makes links and closes them.
    private final List<LinkSender> senders = new ArrayList<>();
    private final List<LinkReceiver> receivers = new ArrayList<>();
    private final Device device;
    private ReceiveBuffers buffers;

    /** Takes the seat. */
    public RankLinks(Links links, RingPlaces places, int rank, Device device) {
        this.links = links;
        this.device = device;
        this.places = places;
        this.member = new RingMember(rank, places.size());
        this.seat = links.seat(key(rank), member, device, places.token());
    }

    /**
     * Links it to all others; waits for those of this JVM and for both neighbours to take their
     * seats.
     *
     * @throws IOException saying which one did not come
     */
    public Ring open(ReceiveBuffers buffers) throws IOException {
        this.buffers = buffers;
        for (int rank = 0; rank < places.size(); rank++) {
            if (isReached(rank)) {
                member.linkWith(links.seatOf(key(rank)).member());
                continue;
            }
            for (Group group : Group.values()) {
                int other = rank;
                member.linkTo(
                        other,
                        group,
                        (frame, x, ready, lease) ->
                                firstTo(other, group).send(frame, x, ready, lease));
                member.linkFrom(other, group, onFirst(other, group));
            }
        }
        int next = places.next(member.rank());
        int previous = places.previous(member.rank());
        if (!isReached(next)) {
            linkTo(next, Group.BLOCKS);
        }
        if (!isReached(previous)) {
            Links.await(seat.incoming(previous, Group.BLOCKS), key(previous));
            linkFrom(previous, Group.BLOCKS);
        }
        if (member.broken() != null) {
            throw new LinkException(member.broken());
        }
        return member;
    }

    /** The link to a rank of another process, once there is something to send. */
    private LinkSender firstTo(int to, Group group) {
        member.waits(true); // a device that does is no device that hangs
        try {
            return linkTo(to, group);
        } catch (IOException e) {
            LinkSender.broke(member, to, e);
            throw new RingBrokenException(member.broken());
        } finally {
            member.waits(false);
        }
    }

    private LinkSender linkTo(int to, Group group) throws IOException {
        Links.Neighbour other =
                isHere(to)
                        ? links.connectHere(links.seatOf(key(to)), group, seat)
                        : links.connect(places.addresses().get(to), key(to), group, seat);
        Staging staging = device.staging(FrameHeader.CHUNK);
        LinkSender sender =
                staging.inPlace()
                                && other.readsNames()
                                && other.channel()
                                        instanceof LinkChannel.Plain(SocketChannel socket)
                        ? new NamingSender(places.epoch(), to, socket, member, progress)
                        : new SocketSender(
                                places.epoch(), to, other.channel(), member, progress, staging);
        senders.add(sender);
        member.hold(); // it passes on what ranks of this JVM sent
        member.linkTo(to, group, sender);
        return sender;
    }

    /** What comes from a rank of another process, once something is expected. */
    private RingMember.Incoming onFirst(int from, Group group) {
        return new RingMember.Incoming() {
            @Override
            public void expect(Frame frame, DType dtype, long... shape) {
                linkFrom(from, group).expect(frame, dtype, shape);
            }

            @Override
            public void expect(Frame frame, Tensor place) {
                linkFrom(from, group).expect(frame, place);
            }
        };
    }

    private LinkReceiver linkFrom(int from, Group group) {
        CompletableFuture<Links.Neighbour> link = seat.incoming(from, group);
        LinkReceiver receiver =
                new LinkReceiver(places.epoch(), from, link, member, device, buffers, progress);
        receivers.add(receiver);
        member.linkFrom(from, group, receiver);
        return receiver;
    }

    /** Whether tensors pass by reference to that rank and from it. */
    private boolean isReached(int rank) throws IOException {
        return isHere(rank)
                && links.seatOf(key(rank)).device().memorySpace().equals(device.memorySpace());
    }

    private boolean isHere(int rank) {
        return places.addresses().get(rank).process().equals(links.address().process());
    }

    private Links.Key key(int rank) {
        return new Links.Key(places.epoch(), rank);
    }

    public int size() {
        return places.size();
    }

    /** Bytes that came or went so far. */
    public long progress() {
        return progress.sum();
    }

    public boolean isWaiting() {
        return member.isWaiting();
    }

    /**
     * Runs work that reads what other ranks send; meanwhile their memory stays.
     *
     * @throws RingBrokenException where the ring is broken: what was sent before may be gone
     */
    public <T> T work(Callable<T> work) throws Exception {
        member.hold();
        try {
            if (member.broken() != null) {
                throw new RingBrokenException(member.broken());
            }
            return work.call();
        } finally {
            member.letGo();
        }
    }

    /**
     * Waits until no other rank of this JVM reads what this one sent it by reference, so that it
     * may be given back. Where the ring stands whole that is so whenever its work is done; a broken
     * one's others unwind first.
     */
    public void awaitUnread() {
        if (member.broken() != null) {
            links.awaitUnread(key(member.rank()));
        }
    }

    /**
     * Every wait of this rank and of others of this JVM fails at once; in other processes they do
     * when {@link #close} follows.
     */
    public void breakUp(String reason) {
        links.breakUp(places.epoch(), reason);
    }

    /**
     * Leaves: neighbours in other processes see the connections end. When this returns no thread of
     * a link touches the device's memory.
     */
    @Override
    public void close() {
        breakUp("this rank left the ring");
        for (LinkSender sender : senders) {
            sender.close();
            member.letGo();
        }
        senders.clear();
        links.leave(key(member.rank()));
        receivers.forEach(LinkReceiver::close);
        receivers.clear();
        seat.close(); // also links by which nothing was expected
    }
}
