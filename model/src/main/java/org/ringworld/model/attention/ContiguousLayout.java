package org.ringworld.model.attention;

/** Rank r holds the r-th of N blocks (RingAttention, §3): simple, and the last rank works most. */
public record ContiguousLayout() implements Layout {
    @Override
    public String name() {
        return "contiguous";
    }

    @Override
    public int blockLength(int size, int seqLen) {
        return Math.ceilDiv(seqLen, size);
    }

    @Override
    public int chunkLength(int size, int seqLen) {
        return blockLength(size, seqLen);
    }

    @Override
    public int place(int rank, int size, int seqLen, int local) {
        return rank * blockLength(size, seqLen) + local;
    }
}
