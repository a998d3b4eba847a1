package org.ringworld.actors;

import java.util.concurrent.ConcurrentHashMap;
import org.ringworld.model.LocalRing;

/**
 * The rings of this JVM by name and epoch. Messages name a ring; its ends meet here, as they would
 * at a socket's address.
 */
final class LocalRings {
    private static final ConcurrentHashMap<Key, LocalRing> RINGS = new ConcurrentHashMap<>();

    private LocalRings() {}

    private record Key(String name, long epoch) {}

    static LocalRing join(String name, long epoch, int size) {
        return RINGS.computeIfAbsent(new Key(name, epoch), key -> new LocalRing(size));
    }

    /** Ends a ring if it stands. */
    static void breakUp(String name, long epoch, String reason) {
        LocalRing ring = RINGS.remove(new Key(name, epoch));
        if (ring != null) {
            ring.breakUp(reason);
        }
    }
}
