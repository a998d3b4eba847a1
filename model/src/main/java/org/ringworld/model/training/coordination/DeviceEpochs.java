package org.ringworld.model.training.coordination;

/**
 * Which orders a device follows: those of the highest epoch it was told, and work of a ring only in
 * the epoch whose ring it has joined. All others are dropped and counted.
 */
public final class DeviceEpochs {
    private long epoch = -1;
    private boolean inRing;
    private int rank;
    private long dropped;

    /**
     * @param rank until a ring gives it another
     */
    public DeviceEpochs(int rank) {
        this.rank = rank;
    }

    public long epoch() {
        return epoch;
    }

    public int rank() {
        return rank;
    }

    /** Orders that were not followed so far. */
    public long dropped() {
        return dropped;
    }

    /** Whether this order is to be carried out now; leaving and joining take effect here. */
    public boolean follows(Order order) {
        boolean follows =
                switch (order) {
                    case Order.Leave _, Order.JoinRing _, Order.Pulse _, Order.Release _ ->
                            order.epoch() >= epoch;
                    case Order.Host _,
                            Order.LoadModel _,
                            Order.LoadServing _,
                            Order.SaveState _,
                            Order.Measure _ ->
                            order.epoch() == epoch;
                    case Order.Synchronize _,
                            Order.TrainStep _,
                            Order.EvaluateBatch _,
                            Order.Serve _,
                            Order.Forward _ ->
                            order.epoch() == epoch && inRing;
                };
        if (!follows) {
            dropped++;
            return false;
        }
        switch (order) {
            case Order.Leave _ -> {
                epoch = order.epoch();
                inRing = false;
            }
            case Order.JoinRing join -> {
                epoch = order.epoch();
                inRing = true;
                rank = join.rank();
            }
            case Order.Release _ -> inRing = false;
            default -> {}
        }
        return true;
    }
}
