package org.ringworld.model.attention;

/**
 * Of 2N chunks of a row rank r of N holds chunk N−1−r and chunk N+r: an early and a late one, so
 * that every rank has the same causal work. The late chunk is needed by higher ranks alone, whose
 * way round the ring is the shorter one; with r and 2N−1−r it would travel nearly all of it.
 */
public record ZigzagLayout() implements Layout {
    @Override
    public String name() {
        return "zigzag";
    }

    @Override
    public int blockLength(int size, int seqLen) {
        return 2 * chunkLength(size, seqLen);
    }

    @Override
    public int chunkLength(int size, int seqLen) {
        return Math.ceilDiv(seqLen, 2 * size);
    }

    @Override
    public int place(int rank, int size, int seqLen, int local) {
        int chunk = chunkLength(size, seqLen);
        return local < chunk
                ? (size - 1 - rank) * chunk + local
                : (size + rank) * chunk + local - chunk;
    }
}
