package org.ringworld.model.attention;

import java.util.Collections;
import java.util.List;

/**
 * How many parts of every row each rank of a ring has: one each, or sixteenths where devices are
 * not alike.
 *
 * @param parts by rank, each at least 1
 */
public record RingShares(List<Integer> parts) {
    public static final int SIXTEENTHS = 16;

    /** What a job says of them. */
    public enum Choice {
        /** By speed where the kinds of the ring's devices differ, else even. */
        AUTO,
        EVEN
    }

    /**
     * @throws IllegalArgumentException where a rank has no part
     */
    public RingShares {
        parts = List.copyOf(parts);
        if (parts.isEmpty() || parts.stream().anyMatch(part -> part < 1)) {
            throw new IllegalArgumentException("shares of a ring: " + parts);
        }
    }

    public static RingShares even(int size) {
        return new RingShares(Collections.nCopies(size, 1));
    }

    /**
     * Sixteenths by speed: no other ones would have the slowest rank done sooner. Of equal speeds
     * the lower rank has more where they cannot have the same.
     *
     * @param speeds by rank, in any unit, of 16 ranks at most
     */
    public static RingShares bySpeed(double[] speeds) {
        if (speeds.length > SIXTEENTHS) {
            throw new IllegalArgumentException(speeds.length + " ranks and 16 parts");
        }
        Integer[] parts = Collections.nCopies(speeds.length, 1).toArray(Integer[]::new);
        for (int given = speeds.length; given < SIXTEENTHS; given++) {
            int soonest = 0;
            for (int rank = 1; rank < speeds.length; rank++) {
                boolean sooner =
                        (parts[rank] + 1) / speeds[rank] < (parts[soonest] + 1) / speeds[soonest];
                soonest = sooner ? rank : soonest;
            }
            parts[soonest]++;
        }
        return new RingShares(List.of(parts));
    }

    /** Ranks. */
    public int size() {
        return parts.size();
    }

    int of(int rank) {
        return parts.get(rank);
    }

    /** Parts of a row. */
    int whole() {
        return before(size());
    }

    /** Parts of all lower ranks. */
    int before(int rank) {
        return parts.subList(0, rank).stream().mapToInt(Integer::intValue).sum();
    }
}
