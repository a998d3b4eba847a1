package org.ringworld.runtime;

/**
 * How much of a sequence a device takes at once where a layer goes through it in blocks (Blockwise
 * Parallel Transformer, Liu and Abbeel 2023). Results depend on it by rounding alone. The tiles of
 * keys that travel round a ring are none of it: all ranks have to agree on those.
 *
 * @param tokens of a block at most: enough rows for a matrix product at full speed
 * @param logits F32 values of a block of logits, which are in memory at once
 */
public record BlockSizes(int tokens, long logits) {
    private static final int LEAST = 16;

    public BlockSizes {
        if (tokens < 1 || logits < 1) {
            throw new IllegalArgumentException(
                    "blocks of %d tokens and %d logits".formatted(tokens, logits));
        }
    }

    /** Tokens of a block whose logits [tokens, vocab] are formed at once. */
    public int tokensOfLogits(long vocab) {
        return Math.clamp(logits / vocab, Math.min(LEAST, tokens), tokens);
    }
}
