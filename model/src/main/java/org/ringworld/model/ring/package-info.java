/**
 * The ring of ranks, whatever its links are made of: frames that name themselves, leases of memory
 * that was sent by reference, sums over all ranks. Begin with {@link Ring}, then {@link RingMember}
 * and {@link AllReduce}.
 */
package org.ringworld.model.ring;
