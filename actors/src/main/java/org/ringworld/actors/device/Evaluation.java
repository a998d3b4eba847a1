package org.ringworld.actors.device;

import java.util.ArrayList;
import java.util.List;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.model.training.job.Probe;

/** Sums up what all ranks found in all batches of some probes. */
public final class Evaluation {
    private final List<Probe> probes;
    private final double[] lossSum;
    private final double[] weight;
    private final int[] right;

    public Evaluation(List<Probe> probes) {
        this.probes = probes;
        this.lossSum = new double[probes.size()];
        this.weight = new double[probes.size()];
        this.right = new int[probes.size()];
    }

    public void add(int probe, MicroBatch batch, List<DeviceActor.Evaluated> ranks) {
        lossSum[probe] += ranks.stream().mapToDouble(DeviceActor.Evaluated::lossSum).sum();
        weight[probe] += batch.targetWeight();
        int rows = ranks.stream().mapToInt(r -> r.missed().length).max().orElse(0);
        for (int row = 0; row < rows; row++) {
            int at = row;
            int missed =
                    ranks.stream().mapToInt(r -> at < r.missed().length ? r.missed()[at] : 0).sum();
            right[probe] += missed == 0 ? 1 : 0;
        }
    }

    public List<Probe.Result> results() {
        List<Probe.Result> results = new ArrayList<>();
        for (int p = 0; p < probes.size(); p++) {
            Probe probe = probes.get(p);
            double loss = weight[p] == 0 ? 0 : lossSum[p] / weight[p];
            results.add(
                    new Probe.Result(
                            probe.name(),
                            probe.seqLen(),
                            probe.depth(),
                            probe.rows().size(),
                            right[p],
                            loss));
        }
        return results;
    }
}
