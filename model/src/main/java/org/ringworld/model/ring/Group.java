package org.ringworld.model.ring;

/**
 * Frames that go from one rank to another in one order. Each group has a link of its own, so that
 * what one waits for, or what nobody expects of it, holds up no other.
 */
public enum Group {
    /** Keys and values, and the sums of their gradients. */
    BLOCKS,
    /** What all ranks add up: gradients, and what their tokens came to. */
    SUMS,
    /** Copies of state for ranks that do not hold it. */
    COPIES,
    /** What is exchanged for tokens that are being decoded. */
    TOKENS
}
