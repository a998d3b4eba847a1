package org.ringworld.model.ring;

import java.util.ArrayList;
import java.util.List;

/**
 * The ring whose ranks live in one JVM: tensors pass by reference, under the same frames and leases
 * as over a wire.
 */
public final class LocalRing {
    private final List<RingMember> members = new ArrayList<>();

    public LocalRing(int size) {
        for (int rank = 0; rank < size; rank++) {
            members.add(new RingMember(rank, size));
        }
        for (RingMember member : members) {
            members.forEach(member::linkWith);
        }
    }

    /** A rank's end of the ring. */
    public Ring member(int rank) {
        return members.get(rank);
    }

    /** Ends the ring: every wait, now and later, fails with this reason. */
    public void breakUp(String reason) {
        members.forEach(m -> m.breakUp(reason));
    }
}
