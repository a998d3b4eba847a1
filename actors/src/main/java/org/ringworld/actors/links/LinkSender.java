package org.ringworld.actors.links;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import org.ringworld.model.ring.RingMember;

/** A link to a rank in another process, of one group. */
sealed interface LinkSender extends RingMember.Outgoing, AutoCloseable
        permits SocketSender, NamingSender {
    /** Bytes of a small frame at most: a socket's own buffer has room for a few of them. */
    int SMALL = 32 << 10;

    /** Ends it; when this returns nothing reads the tensors any more that this rank sent. */
    @Override
    void close();

    /** Breaks the ring of a rank whose link to another ended. */
    static void broke(RingMember member, int to, Throwable e) {
        member.breakUp(
                e instanceof ClosedChannelException
                        ? "this rank left the ring"
                        : "the link to rank %d broke: ".formatted(to)
                                + (e instanceof IOException ? e.getMessage() : e));
    }
}
