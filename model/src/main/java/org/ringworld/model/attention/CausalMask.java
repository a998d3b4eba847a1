package org.ringworld.model.attention;

/**
 * How far a token sees in its document: to the end of its own block of positions (LWM's {@code
 * causal_block_size}), which with blocks of one is the token itself.
 *
 * @param block positions
 */
public record CausalMask(int block) {
    /** A token sees itself and what is before it. */
    public static final CausalMask CAUSAL = new CausalMask(1);

    public CausalMask {
        if (block < 1) {
            throw new IllegalArgumentException("a block of " + block + " positions");
        }
    }

    /** The last position that a token sees, also past the end of its document. */
    public int last(int position) {
        return (int) Math.min(Integer.MAX_VALUE, (position / block + 1L) * block - 1);
    }
}
