package org.ringworld.actors.links;

import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.LongAdder;
import org.ringworld.model.ring.Group;
import org.ringworld.model.ring.Ring;
import org.ringworld.model.ring.RingBrokenException;
import org.ringworld.model.ring.RingMember;
import org.ringworld.model.ring.RingPlaces;
import org.ringworld.runtime.Device;

/**
 * One rank's place in the ring of one epoch: a seat for the previous rank and a link to the next.
 * It is taken at once and linked later, so that it can be broken up at any time in between.
 */
public final class RankLinks implements AutoCloseable {
    private final Links links;
    private final RingPlaces places;
    private final RingMember member;
    private final Links.Seat seat;
    private final LongAdder progress = new LongAdder();
    private LinkSender sender;
    private LinkReceiver receiver;

    /** Takes the seat. */
    public RankLinks(Links links, RingPlaces places, int rank) {
        this.links = links;
        this.places = places;
        this.member = new RingMember(rank, places.size());
        this.seat = links.seat(new Links.Key(places.epoch(), rank), member, places.token());
    }

    /**
     * Links it to all ranks of this JVM and to both neighbours; waits for them to take their seats.
     * Over a socket all groups are one queue yet.
     *
     * @throws IOException saying which one did not come
     */
    public Ring open(Device device, ReceiveBuffers buffers) throws IOException {
        for (int rank = 0; rank < places.size(); rank++) {
            if (isHere(rank)) {
                member.linkWith(links.member(key(rank)));
            }
        }
        int next = places.next(member.rank());
        int previous = places.previous(member.rank());
        if (!isHere(next)) {
            sender = sender(links.connect(places.addresses().get(next), key(next), seat));
            member.hold(); // it passes on what ranks of this JVM sent
        }
        if (!isHere(previous)) {
            Links.Neighbour from = Links.await(seat.previous(), key(previous));
            receiver =
                    new LinkReceiver(
                            places.epoch(), previous, from, member, device, buffers, progress);
        }
        for (Group group : Group.values()) {
            if (sender != null) {
                member.linkTo(next, group, sender);
            }
            if (receiver != null) {
                member.linkFrom(previous, group, receiver);
            }
        }
        if (member.broken() != null) {
            throw new LinkException(member.broken());
        }
        return member;
    }

    private LinkSender sender(Links.Neighbour to) throws IOException {
        return to.readsNames() && to.channel() instanceof LinkChannel.Plain(SocketChannel socket)
                ? new NamingSender(places.epoch(), socket, member, progress)
                : new SocketSender(places.epoch(), to.channel(), member, progress);
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

    public long epoch() {
        return places.epoch();
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
        if (sender != null) {
            sender.close();
            sender = null;
            member.letGo();
        }
        links.leave(key(member.rank()));
        if (receiver != null) {
            receiver.close();
        } else {
            seat.previous().thenAccept(previous -> previous.channel().close());
        }
    }
}
