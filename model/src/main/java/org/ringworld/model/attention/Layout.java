package org.ringworld.model.attention;

import java.util.Locale;

/**
 * Which tokens of a row lie on which rank of a ring. A row of any length works on any ring: what
 * does not divide is padded inside, and a rank may hold nothing but padding. Its block is as long
 * as its share of the row. Blocks travel to the next rank, so keys should be needed by higher
 * ranks.
 */
public sealed interface Layout permits ZigzagLayout, StripedLayout, ContiguousLayout {

    /** As a job file writes it and a snapshot keeps it; {@link #of} reads it. */
    String name();

    /** Local tokens of a rank for a row of {@code seqLen}, padding included. */
    int blockLength(int rank, RingShares shares, int seqLen);

    /**
     * The longest run of local tokens that are neighbours in the row: tiles do not cross its end.
     */
    int chunkLength(int rank, RingShares shares, int seqLen);

    /** Places in the row of a rank's local tokens; at or past {@code seqLen} it is padding. */
    int[] places(int rank, RingShares shares, int seqLen);

    /**
     * The layout of a job: {@code zigzag}, {@code striped} or {@code contiguous}.
     *
     * @throws IllegalArgumentException for anything else, naming what can be written
     */
    static Layout of(String name) {
        return switch (name.toLowerCase(Locale.ROOT)) {
            case "zigzag" -> new ZigzagLayout();
            case "striped" -> new StripedLayout();
            case "contiguous" -> new ContiguousLayout();
            default ->
                    throw new IllegalArgumentException(
                            "ring.layout = " + name + " is not one of zigzag, striped, contiguous");
        };
    }
}
