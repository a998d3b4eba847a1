package org.ringworld.actors.links;

import java.nio.channels.SocketChannel;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.ringworld.model.ring.Group;
import org.ringworld.model.ring.RingMember;
import org.ringworld.runtime.Device;

/**
 * A rank that others may link to.
 *
 * @param device of its tensors
 * @param incoming links over sockets, come or awaited
 * @param outgoing sockets by which this rank has asked others for theirs
 */
record Seat(
        RingMember member,
        Device device,
        byte[] token,
        ConcurrentHashMap<Source, CompletableFuture<Links.Neighbour>> incoming,
        Queue<SocketChannel> outgoing) {

    /** What a link to it is for. */
    record Source(int from, Group group) {}

    Seat(RingMember member, Device device, byte[] token) {
        this(member, device, token, new ConcurrentHashMap<>(), new ConcurrentLinkedQueue<>());
    }

    /** The link of a group from a rank of another process; it fails when the ring breaks. */
    CompletableFuture<Links.Neighbour> incoming(int from, Group group) {
        CompletableFuture<Links.Neighbour> link =
                incoming.computeIfAbsent(new Source(from, group), _ -> new CompletableFuture<>());
        if (member.broken() != null) {
            link.completeExceptionally(new LinkException(member.broken()));
        }
        return link;
    }

    /** This rank asks another for a link; it is not kept waiting once its ring is broken. */
    void asks(SocketChannel socket) {
        outgoing.add(socket);
        if (member.broken() != null) {
            LinkChannel.closeQuietly(socket);
        }
    }

    /** Ends all links to it. */
    void close() {
        incoming.values().forEach(link -> link.thenAccept(from -> from.channel().close()));
    }

    /** Every wait of the rank, and for its links, fails at once. */
    void breakUp(String reason) {
        member.breakUp(reason);
        LinkException broken = new LinkException(reason);
        incoming.values().forEach(link -> link.completeExceptionally(broken));
        // Whoever was asked may have left, and would not answer for long.
        outgoing.forEach(LinkChannel::closeQuietly);
    }
}
