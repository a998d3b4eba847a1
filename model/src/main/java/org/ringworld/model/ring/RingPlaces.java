package org.ringworld.model.ring;

import java.security.SecureRandom;
import java.util.List;

/**
 * Where all ranks of an epoch's ring take links.
 *
 * @param token that whoever links up must know; made anew for each epoch
 * @param addresses by rank
 */
public record RingPlaces(long epoch, byte[] token, List<LinkAddress> addresses) {
    private static final SecureRandom RANDOM = new SecureRandom();
    private static final int TOKEN = 16;

    /** A token that nobody can guess. */
    public static byte[] newToken() {
        byte[] token = new byte[TOKEN];
        RANDOM.nextBytes(token);
        return token;
    }

    public int size() {
        return addresses.size();
    }

    public int next(int rank) {
        return (rank + 1) % size();
    }

    public int previous(int rank) {
        return (rank + size() - 1) % size();
    }
}
