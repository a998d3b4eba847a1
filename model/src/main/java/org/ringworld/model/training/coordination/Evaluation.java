package org.ringworld.model.training.coordination;

import java.util.ArrayList;
import java.util.List;
import org.ringworld.model.training.job.JobData;
import org.ringworld.model.training.job.Probe;

/** Evaluates a model by probes, a batch after the other, and sums up what all ranks found. */
public final class Evaluation {
    private final List<Probe> probes;
    private final List<JobData.Place> batches;
    private final double[] lossSum;
    private final double[] weight;
    private final int[] right;
    private int next;

    /**
     * @param batches the rows of the probes, in the order in which they are evaluated
     */
    public Evaluation(List<Probe> probes, List<JobData.Place> batches) {
        this.probes = probes;
        this.batches = batches;
        this.lossSum = new double[probes.size()];
        this.weight = new double[probes.size()];
        this.right = new int[probes.size()];
    }

    public int batches() {
        return batches.size();
    }

    /** The batch to evaluate now, from 0. */
    public int next() {
        return next;
    }

    public boolean isOver() {
        return next == batches.size();
    }

    /** What all ranks found in the batch that was to be evaluated. */
    public void add(List<Report.Evaluated> ranks) {
        int probe = batches.get(next++).probe();
        int rightRows = 0;
        int rows = ranks.stream().mapToInt(r -> r.missed().length).max().orElse(0);
        for (int row = 0; row < rows; row++) {
            int at = row;
            int missed =
                    ranks.stream().mapToInt(r -> at < r.missed().length ? r.missed()[at] : 0).sum();
            rightRows += missed == 0 ? 1 : 0;
        }
        double sum = ranks.stream().mapToDouble(Report.Evaluated::lossSum).sum();
        add(probe, sum, ranks.getFirst().targetWeight(), rightRows);
    }

    /** What was found in some rows of a probe. */
    void add(int probe, double sum, double targetWeight, int rightRows) {
        lossSum[probe] += sum;
        weight[probe] += targetWeight;
        right[probe] += rightRows;
    }

    public List<Probe.Result> results() {
        List<Probe.Result> results = new ArrayList<>();
        for (int p = 0; p < probes.size(); p++) {
            Probe probe = probes.get(p);
            double loss = weight[p] == 0 ? 0 : lossSum[p] / weight[p];
            results.add(
                    new Probe.Result(
                            probe.kind(),
                            probe.seqLen(),
                            probe.depth(),
                            probe.rows().size(),
                            right[p],
                            loss));
        }
        return results;
    }
}
