package org.ringworld.model.training.coordination;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.ringworld.checkpoints.snapshot.DeviceShare;
import org.ringworld.model.attention.RingShares;
import org.ringworld.model.training.job.Job;

/**
 * How the tokens of a ring are shared out among its devices: evenly, which is said by an empty
 * list, or where their kinds differ by what each was measured to do. Kept by kind, so that a ring
 * of the same devices in another order goes on with the same shares.
 */
final class DeviceShares {
    private DeviceShares() {}

    /** Whether a ring of these kinds has other shares than even ones. */
    static boolean differ(Job job, List<String> kinds) {
        return job.shares() == RingShares.Choice.AUTO
                && kinds.size() <= RingShares.SIXTEENTHS
                && kinds.stream().distinct().count() > 1;
    }

    /**
     * Those of an earlier ring, by rank of this one.
     *
     * @return empty where the earlier one was not of devices of just these kinds
     */
    static List<DeviceShare> kept(List<String> kinds, List<DeviceShare> earlier) {
        List<DeviceShare> left = new ArrayList<>(earlier);
        List<DeviceShare> shares = new ArrayList<>();
        for (String kind : kinds) {
            for (DeviceShare share : left) {
                if (share.kind().equals(kind)) {
                    shares.add(share);
                    left.remove(share);
                    break;
                }
            }
        }
        return left.isEmpty() && shares.size() == kinds.size() ? shares : List.of();
    }

    /**
     * By speed, where devices of one kind are as fast as their mean.
     *
     * @param tokensPerSecond by rank
     */
    static List<DeviceShare> measured(List<String> kinds, double[] tokensPerSecond) {
        Map<String, Double> mean =
                IntStream.range(0, kinds.size())
                        .boxed()
                        .collect(
                                Collectors.groupingBy(
                                        kinds::get,
                                        Collectors.averagingDouble(rank -> tokensPerSecond[rank])));
        double[] speeds = kinds.stream().mapToDouble(mean::get).toArray();
        List<Integer> parts = RingShares.bySpeed(speeds).parts();
        return IntStream.range(0, kinds.size())
                .mapToObj(rank -> new DeviceShare(kinds.get(rank), parts.get(rank)))
                .toList();
    }
}
