package org.ringworld.actors.links;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import org.ringworld.model.ring.RingMember;

/** The link to the next rank, in another process. */
sealed interface LinkSender extends RingMember.Outgoing, AutoCloseable
        permits SocketSender, NamingSender {
    /** Bytes of a small frame at most: a socket's own buffer has room for a few of them. */
    int SMALL = 32 << 10;

    /** Ends it; when this returns nothing reads the tensors any more that the next rank gets. */
    @Override
    void close();

    /** Breaks the ring of a rank whose link ended. */
    static void broke(RingMember member, Throwable e) {
        member.breakUp(
                e instanceof ClosedChannelException
                        ? "this rank left the ring"
                        : "the link to the next rank broke: "
                                + (e instanceof IOException ? e.getMessage() : e));
    }
}
