/**
 * The messages between members of a cluster, in Protobuf ({@code ring.proto}) and nothing else.
 * Begin with {@link RingSerializer}; {@link RingReader} is its other way.
 */
package org.ringworld.actors.wire;
