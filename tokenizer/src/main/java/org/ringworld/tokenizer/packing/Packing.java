package org.ringworld.tokenizer.packing;

/**
 * How documents become rows.
 *
 * @param least tokens of a document, BOS and EOS included; shorter ones are left out
 * @param limit tokens that a document must stay under; longer ones are left out
 * @param documentWeights whether every document counts the same in the loss, however long it is:
 *     the loss of packed rows is then the mean over documents of their own means, as if each had
 *     stood in a padded row of its own (LWM, §4.1)
 */
public record Packing(Mode mode, int least, int limit, boolean documentWeights) {
    /** All documents, packed, every token weighing what its field says. */
    public static final Packing DEFAULT = new Packing(Mode.PACKED, 0, Integer.MAX_VALUE, false);

    /** LWM's three ways to fill a row. */
    public enum Mode {
        /** Several documents that do not see each other. */
        PACKED,
        /** One document, then padding. */
        PAD,
        /** One stream of tokens, cut anywhere, in which documents see those before them. */
        NO_PAD;

        /**
         * The mode of that name; {@code no_pad} and {@code no-pad} are taken for noPad.
         *
         * @throws IllegalArgumentException where it is none of packed, pad, noPad
         */
        public static Mode of(String name) {
            String plain = name.replaceAll("[-_]", "");
            for (Mode mode : values()) {
                if (mode.name().replace("_", "").equalsIgnoreCase(plain)) {
                    return mode;
                }
            }
            throw new IllegalArgumentException(
                    "packing = " + name + " is not one of packed, pad, noPad");
        }
    }

    /**
     * @throws IllegalArgumentException where no length is left, or a document's weight is asked for
     *     where documents have no rows of their own
     */
    public Packing {
        if (least < 0 || limit <= least) {
            throw new IllegalArgumentException(
                    "no document has at least %d and under %d tokens".formatted(least, limit));
        }
        if (documentWeights && mode == Mode.NO_PAD) {
            throw new IllegalArgumentException(
                    "documentWeights goes with packing = packed or pad, not noPad: there documents have no rows of their own");
        }
    }
}
