package org.ringworld.model.attention;

/**
 * Where a rank's tokens stand: all that the other ranks of a ring need to know of them before a
 * step, since it decides who sees whom.
 *
 * @param positions place in the document [S]
 * @param segments document number [S]; −1 is padding
 */
public record BlockPositions(int[] positions, int[] segments) {
    public int length() {
        return positions.length;
    }
}
