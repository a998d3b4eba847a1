/**
 * Devices as actors: each owns a device, its model and its end of a ring, and computes on a thread
 * of its own. Begin with {@link DeviceActor}, the messages, then {@link RankWorker}, what is done
 * for them. {@link DeviceRing} drives a ring for a caller that waits.
 */
package org.ringworld.actors.device;
