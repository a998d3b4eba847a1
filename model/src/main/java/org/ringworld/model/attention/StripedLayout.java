package org.ringworld.model.attention;

/** Token i lies on rank i mod N (Striped Attention, Brandon et al. 2023). */
public record StripedLayout() implements Layout {
    @Override
    public String name() {
        return "striped";
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
        return local * size + rank;
    }
}
