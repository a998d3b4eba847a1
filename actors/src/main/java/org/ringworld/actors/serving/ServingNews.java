package org.ringworld.actors.serving;

import java.util.List;
import org.ringworld.model.decode.Load;
import org.ringworld.model.training.coordination.DeviceId;

/** What becomes of a serving, told to whoever began it. */
public sealed interface ServingNews {
    /** Its ring stands, of these devices and no others. */
    record Stands(long epoch, List<DeviceId> devices) implements ServingNews {}

    /** What there is to do for it, as often as that changes. */
    record Busy(Load load) implements ServingNews {}

    /**
     * Where it can be asked, in a cluster.
     *
     * @param addresses of fronts, as clients reach them
     * @param opening fronts that do not know the model yet
     * @param faults of fronts at which it cannot be asked, a sentence each
     */
    record Fronts(List<String> addresses, int opening, List<String> faults) implements ServingNews {
        /** Nobody has been found yet. */
        public static final Fronts NONE = new Fronts(List.of(), 0, List.of());
    }

    /**
     * It is over.
     *
     * @param sentence why; null: it was closed
     */
    record Ended(String sentence) implements ServingNews {}
}
