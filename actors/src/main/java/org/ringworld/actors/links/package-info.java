/**
 * Links between ranks: by reference inside a JVM, over unix-domain sockets or straight from the
 * other process's memory on one host, over TCP or TLS between hosts. Begin with {@link Links} and
 * {@link RankLinks}; on the wire a {@link FrameHeader} goes before what a {@link SocketSender}
 * writes and a {@link LinkReceiver} reads.
 */
package org.ringworld.actors.links;
