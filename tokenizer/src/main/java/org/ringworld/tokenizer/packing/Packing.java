package org.ringworld.tokenizer.packing;

/**
 * How documents become rows.
 *
 * @param least tokens of a document, BOS and EOS included; shorter ones are left out
 * @param limit tokens that a document must stay under; longer ones are left out
 * @param documentWeights whether every document counts the same in the loss, however long it is:
 *     the loss of packed rows is then the mean over documents of their own means, as if each had
 *     stood in a padded row of its own (LWM, §4.1)
 * @param modalityWeights whether text and vision count the same, each for itself, in a row or, with
 *     documentWeights, in a document: LWM takes the mean of each modality over each row, and half
 *     of both (lwm/train.py)
 * @param order of the rows of a pass
 * @param skip documents left out at the beginning of those that are trained on
 */
public record Packing(
        Mode mode,
        int least,
        int limit,
        boolean documentWeights,
        boolean modalityWeights,
        Order order,
        int skip) {
    /** All documents, packed, every token weighing what its field says. */
    public static final Packing DEFAULT = new Packing(Mode.PACKED, 0, Integer.MAX_VALUE, false);

    /** In which rows come. */
    public enum Order {
        /** One that follows from the job's seed, another in each pass. */
        SEEDED,
        /** That of the documents in their files; rows are filled from 4096 documents at a time. */
        FILE
    }

    /** Rows in an order that follows from the seed, of all documents. */
    public Packing(Mode mode, int least, int limit, boolean documentWeights) {
        this(mode, least, limit, documentWeights, false, Order.SEEDED, 0);
    }

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
        if (skip < 0) {
            throw new IllegalArgumentException("skip = " + skip + " must be at least 0");
        }
        if (documentWeights && mode == Mode.NO_PAD) {
            throw new IllegalArgumentException(
                    "documentWeights goes with packing = packed or pad, not noPad: there documents have no rows of their own");
        }
    }
}
