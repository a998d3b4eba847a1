package org.ringworld.model.ring;

/**
 * The name of what travels over one link of a ring: the receiver knows from the plan which frames
 * will come, so nothing is asked for and nothing is acknowledged per hop.
 *
 * @param step optimizer step
 * @param part micro-batch of the step
 * @param layer layer of the model
 * @param hop how far from its origin
 * @param origin rank whose block it is, or slice of a reduction
 * @param tile of the block, or piece of the slice
 */
public record Frame(long step, int part, int layer, Pass pass, int hop, int origin, int tile) {
    /** What all frames of a micro-batch have in common. */
    public static Frame of(long step, int part) {
        return new Frame(step, part, 0, Pass.FORWARD, 0, 0, 0);
    }

    public Frame ofLayer(int layer) {
        return new Frame(step, part, layer, pass, hop, origin, tile);
    }

    public Frame of(Pass pass, int hop, int origin, int tile) {
        return new Frame(step, part, layer, pass, hop, origin, tile);
    }

    /** The one of the same name that another rank sends. */
    public Frame from(int rank) {
        return new Frame(step, part, layer, pass, hop, rank, tile);
    }

    /** What a frame carries. */
    public enum Pass {
        /** Keys and values, forward. */
        FORWARD(Group.BLOCKS),
        /** Keys and values, backward. */
        BACKWARD(Group.BLOCKS),
        /** Sums of dK and dV on their way home. */
        GRADIENT(Group.BLOCKS),
        /** Partial sums of an all-reduce. */
        REDUCE(Group.SUMS),
        /** Complete sums of an all-reduce. */
        GATHER(Group.SUMS),
        /** What each rank's tokens came to in a step. */
        OUTCOME(Group.SUMS),
        /** A whole training state, for ranks that do not hold it. */
        STATE(Group.COPIES),
        /** What ranks exchange for the tokens that a step decodes. */
        DECODE(Group.TOKENS),
        /** Queries that look into the pages of other ranks. */
        QUERIES(Group.BLOCKS),
        /** What such queries found there. */
        FOUND(Group.BLOCKS),
        /** A full page of a cache, for a rank that is to have it too. */
        PAGE(Group.COPIES);

        private final Group group;

        Pass(Group group) {
            this.group = group;
        }

        /** Whose link it takes: it follows from the name, so that no two ranks can disagree. */
        public Group group() {
            return group;
        }
    }
}
