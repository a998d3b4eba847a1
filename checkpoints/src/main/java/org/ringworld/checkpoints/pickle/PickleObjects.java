package org.ringworld.checkpoints.pickle;

import java.util.List;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.pickle.Pickle.Global;

/**
 * What a pickle of one format may make besides collections: a closed list. Each throws a {@link
 * CheckpointException} for what is not on it, and any of what {@link Pickle#read} catches where
 * arguments are of another kind.
 */
public interface PickleObjects {
    /** What lies outside of the pickle under an id. */
    Object persistent(List<Object> id) throws CheckpointException;

    /** What {@code name(*arguments)} makes. */
    Object construct(Global global, List<Object> arguments) throws CheckpointException;

    /** Gives what was made its state ({@code __setstate__}). */
    void build(Object made, Object state) throws CheckpointException;
}
