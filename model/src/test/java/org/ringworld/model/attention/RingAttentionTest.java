package org.ringworld.model.attention;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.ring.Frame;
import org.ringworld.model.ring.Ring;
import org.ringworld.model.training.LocalRanks;
import org.ringworld.model.training.RingPropertyTest;
import org.ringworld.model.training.RingResult;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;
import org.ringworld.tokenizer.packing.Row;

/** Attention around a ring by itself, against softmax over the whole row in F64. */
class RingAttentionTest {
    private static final int LENGTH = 180;
    private static final int HEADS = 4;
    private static final int KV_HEADS = 2;
    private static final int DIM = 16;
    private static final List<String> NAMES = List.of("out", "dq", "dk", "dv");

    private record Inputs(float[] q, float[] k, float[] v, float[] dOut) {}

    /**
     * One element of queries and keys outweighs the others, as in trained models: see StreamingLLM.
     */
    private static Inputs inputs(float greatest) {
        Random random = new Random(7);
        float[] q = normal(random, HEADS);
        float[] k = normal(random, KV_HEADS);
        for (int i = DIM - 1; i < q.length; i += DIM) {
            q[i] += greatest;
        }
        for (int i = DIM - 1; i < k.length; i += DIM) {
            k[i] = greatest;
        }
        return new Inputs(q, k, normal(random, KV_HEADS), normal(random, HEADS));
    }

    private static float[] normal(Random random, int heads) {
        float[] x = new float[LENGTH * heads * DIM];
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) random.nextGaussian();
        }
        return x;
    }

    @Test
    void errorDoesNotGrowWithTheRingWhereScoresAreSomeThousands() {
        Inputs x = inputs(128); // scores around 128 · 128 / √16
        List<double[]> exact = exact(x);
        double[] alone = errors(ring(x, 1), exact);
        for (int size : new int[] {2, 3, 6}) {
            double[] errors = errors(ring(x, size), exact);
            for (int i = 0; i < errors.length; i++) {
                assertThat(errors[i] / alone[i])
                        .as("%s on %d ranks, alone %s", NAMES.get(i), size, alone[i])
                        .isLessThan(1.5);
            }
        }
    }

    /** Root mean square, relative to that of the exact values. */
    private static double[] errors(List<float[]> actual, List<double[]> exact) {
        double[] errors = new double[exact.size()];
        for (int i = 0; i < errors.length; i++) {
            double square = 0;
            double whole = 0;
            for (int j = 0; j < exact.get(i).length; j++) {
                square += Math.pow(actual.get(i)[j] - exact.get(i)[j], 2);
                whole += Math.pow(exact.get(i)[j], 2);
            }
            errors[i] = Math.sqrt(square / whole);
        }
        return errors;
    }

    /** One causal document through a ring; out, dq, dk and dv in the order of the row. */
    private static List<float[]> ring(Inputs x, int size) {
        int[] none = new int[LENGTH];
        Arrays.fill(none, -100);
        int[] positions = IntStream.range(0, LENGTH).toArray();
        Row row = new Row(new int[LENGTH], positions, new int[LENGTH], none, new float[LENGTH]);
        MicroBatch batch = MicroBatch.of(List.of(row), new ZigzagLayout(), size);
        List<List<float[]>> ranks =
                LocalRanks.run(size, (ring, device) -> rank(x, batch, ring, device));
        List<float[]> whole =
                List.of(
                        new float[x.q.length],
                        new float[x.q.length],
                        new float[x.k.length],
                        new float[x.k.length]);
        for (int rank = 0; rank < size; rank++) {
            int[] places = batch.ofRank(rank).own().places();
            for (int i = 0; i < whole.size(); i++) {
                int width = whole.get(i).length / LENGTH;
                for (int local = 0; local < places.length; local++) {
                    if (places[local] >= 0) {
                        float[] from = ranks.get(rank).get(i);
                        System.arraycopy(
                                from, local * width, whole.get(i), places[local] * width, width);
                    }
                }
            }
        }
        return whole;
    }

    private static List<float[]> rank(Inputs x, MicroBatch batch, Ring ring, Device device) {
        try (Workspace workspace = new Workspace(device)) {
            RankBatch part = batch.ofRank(ring.rank());
            BlockTensors block = BlockTensors.copyIn(part, device, workspace);
            RingPlan plan = batch.plan();
            int[] places = part.own().places();
            Tensor q = part(x.q, HEADS, places, device, workspace);
            Tensor k = part(x.k, KV_HEADS, places, device, workspace);
            Tensor v = part(x.v, KV_HEADS, places, device, workspace);
            Tensor dOut = part(x.dOut, HEADS, places, device, workspace);
            LlamaConfig config = RingPropertyTest.config(HEADS, KV_HEADS, DIM, false);
            RingAttention attention =
                    new RingAttention(device, ring, plan, block, Frame.of(1, 0), config, DType.F32);
            KvBlock own = attention.own(0, workspace);
            for (int t = 0; t < own.size(); t++) {
                int from = own.borders()[t];
                int to = own.borders()[t + 1];
                device.kernels().copy(k.rows(from, to), own.keys()[t]);
                device.kernels().copy(v.rows(from, to), own.values()[t]);
            }
            Tensor out = workspace.take(DType.F32, q.shape());
            Tensor max = workspace.take(DType.F32, q.dim(0), HEADS);
            Tensor sum = workspace.take(DType.F32, q.dim(0), HEADS);
            Tensor delta = workspace.take(DType.F32, q.dim(0), HEADS);
            Tensor dq = workspace.take(DType.F32, q.shape());
            KvBlock dOwn = attention.ownGradients(workspace);
            attention.forward(0, q, own, out, max, sum);
            device.kernels().attentionDelta(dOut, out, delta);
            attention.backward(0, q, own, dOut, max, sum, delta, dq, dOwn, workspace);
            attention.awaitFree();
            for (int t = 0; t < own.size(); t++) {
                int from = own.borders()[t];
                int to = own.borders()[t + 1];
                device.kernels().copy(dOwn.keys()[t], k.rows(from, to));
                device.kernels().copy(dOwn.values()[t], v.rows(from, to));
            }
            return List.of(
                    RingResult.floats(device, out),
                    RingResult.floats(device, dq),
                    RingResult.floats(device, k),
                    RingResult.floats(device, v));
        }
    }

    /** The rows of a rank's tokens; zeros where the layout pads. */
    private static Tensor part(
            float[] whole, int heads, int[] places, Device device, Workspace workspace) {
        int width = heads * DIM;
        float[] part = new float[places.length * width];
        for (int local = 0; local < places.length; local++) {
            if (places[local] >= 0) {
                System.arraycopy(whole, places[local] * width, part, local * width, width);
            }
        }
        Tensor tensor = workspace.take(DType.F32, places.length, heads, DIM);
        try (Arena arena = Arena.ofConfined()) {
            device.copyIn(arena.allocateFrom(ValueLayout.JAVA_FLOAT, part), tensor);
        }
        return tensor;
    }

    /** out, dq, dk and dv in F64. */
    private static List<double[]> exact(Inputs x) {
        double[] out = new double[x.q.length];
        double[] dq = new double[x.q.length];
        double[] dk = new double[x.k.length];
        double[] dv = new double[x.k.length];
        double scale = 1 / Math.sqrt(DIM);
        double[] p = new double[LENGTH];
        for (int row = 0; row < LENGTH * HEADS; row++) {
            int s = row / HEADS;
            int kvHead = row % HEADS / (HEADS / KV_HEADS);
            softmax(x, row, kvHead, scale, p);
            double delta = 0;
            for (int t = 0; t <= s; t++) {
                int key = t * KV_HEADS + kvHead;
                for (int i = 0; i < DIM; i++) {
                    out[row * DIM + i] += p[t] * x.v[key * DIM + i];
                    dv[key * DIM + i] += p[t] * x.dOut[row * DIM + i];
                }
                delta += p[t] * dot(x.dOut, row, x.v, key);
            }
            for (int t = 0; t <= s; t++) {
                int key = t * KV_HEADS + kvHead;
                double ds = scale * p[t] * (dot(x.dOut, row, x.v, key) - delta);
                for (int i = 0; i < DIM; i++) {
                    dq[row * DIM + i] += ds * x.k[key * DIM + i];
                    dk[key * DIM + i] += ds * x.q[row * DIM + i];
                }
            }
        }
        return List.of(out, dq, dk, dv);
    }

    /** p[0..s] of one query and head. */
    private static void softmax(Inputs x, int row, int kvHead, double scale, double[] p) {
        int s = row / HEADS;
        double max = Double.NEGATIVE_INFINITY;
        for (int t = 0; t <= s; t++) {
            p[t] = scale * dot(x.q, row, x.k, t * KV_HEADS + kvHead);
            max = Math.max(max, p[t]);
        }
        double sum = 0;
        for (int t = 0; t <= s; t++) {
            p[t] = Math.exp(p[t] - max);
            sum += p[t];
        }
        for (int t = 0; t <= s; t++) {
            p[t] /= sum;
        }
    }

    private static double dot(float[] a, int rowOfA, float[] b, int rowOfB) {
        double sum = 0;
        for (int i = 0; i < DIM; i++) {
            sum += (double) a[rowOfA * DIM + i] * b[rowOfB * DIM + i];
        }
        return sum;
    }
}
