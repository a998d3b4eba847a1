package org.ringworld.model.decode;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.layers.ParameterStore;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Kernels.Product;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/** From logits on a device to what the host is told of tokens. */
final class TokenChoice {
    private final Device device;
    private final Kernels kernels;
    private final Workspace scratch;
    private float[][] rows = new float[0][];

    TokenChoice(Device device, Workspace scratch) {
        this.device = device;
        this.kernels = device.kernels();
        this.scratch = scratch;
    }

    /** Host values on the device, of the scratch memory. */
    Tensor ints(int[] values) {
        Tensor tensor = scratch.take(DType.I32, values.length);
        try (Arena arena = Arena.ofConfined()) {
            device.copyIn(arena.allocateFrom(ValueLayout.JAVA_INT, values), tensor);
        }
        return tensor;
    }

    void copyOut(Tensor from, int[] to) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(from.bytes(), 4);
            device.copyOut(from, host);
            MemorySegment.copy(host, ValueLayout.JAVA_INT, 0, to, 0, to.length);
        }
    }

    /** Logits [B,V] on the host, good until the next call. */
    float[][] logits(Tensor logits) {
        int count = Math.toIntExact(logits.dim(0));
        int vocab = Math.toIntExact(logits.dim(1));
        if (rows.length < count || rows[0].length != vocab) {
            rows = new float[count][vocab];
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(logits.bytes(), 64);
            device.copyOut(logits, host);
            for (int b = 0; b < count; b++) {
                long at = (long) b * vocab * Float.BYTES;
                MemorySegment.copy(host, ValueLayout.JAVA_FLOAT, at, rows[b], 0, vocab);
            }
        }
        return rows;
    }

    /**
     * ln of the probability of a token of each row of logits, and whether it is the greatest; the
     * likeliest tokens of each row, as many of each, and ln of their probabilities.
     */
    record Scored(float[] logprobs, boolean[] hits, int[] likeliest, float[] theirs) {}

    /** Of a token of each row of logits, F32 [B,V]. */
    private Scored scored(Tensor logits, int[] ids) {
        Tensor weights = scratch.take(DType.F32, ids.length);
        Tensor ce = scratch.take(DType.F32, ids.length);
        Tensor hits = scratch.take(DType.I32, ids.length);
        kernels.fill(weights, 1);
        kernels.crossEntropy(logits, ints(ids), weights, 0, ce, hits, null);
        float[] logprobs = new float[ids.length];
        boolean[] greatest = new boolean[ids.length];
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment floats = arena.allocate(ce.bytes(), 4);
            MemorySegment ints = arena.allocate(hits.bytes(), 4);
            device.copyOut(ce, floats);
            device.copyOut(hits, ints);
            for (int b = 0; b < ids.length; b++) {
                logprobs[b] = -floats.getAtIndex(ValueLayout.JAVA_FLOAT, b);
                greatest[b] = ints.getAtIndex(ValueLayout.JAVA_INT, b) == 1;
            }
        }
        return new Scored(logprobs, greatest, new int[0], new float[0]);
    }

    /** ln of the probability of a token of each row of logits, F32 [B,V]. */
    double[] logprobs(Tensor logits, int[] ids) {
        float[] some = scored(logits, ids).logprobs;
        double[] logprobs = new double[some.length];
        Arrays.setAll(logprobs, b -> some[b]);
        return logprobs;
    }

    /** logits = other + scale · (logits − other). */
    static void guide(float[] logits, float[] other, double scale) {
        for (int i = 0; i < logits.length; i++) {
            logits[i] = (float) (other[i] + scale * ((double) logits[i] - other[i]));
        }
    }

    /** ln of the probability of a token by logits that are on the host. */
    static double logprob(float[] logits, int id) {
        double greatest = Double.NEGATIVE_INFINITY;
        for (float logit : logits) {
            greatest = Math.max(greatest, logit);
        }
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit - greatest);
        }
        return logits[id] - greatest - Math.log(sum);
    }

    /**
     * How likely the token after each of some was, a block of them at a time.
     *
     * @param of whose vocabulary they are of
     * @param x values [S,E], what the layers made of them
     * @param alternatives how many of the likeliest tokens are told beside each
     */
    Scored score(
            ParameterStore parameters,
            Modality of,
            LlamaConfig config,
            Tensor x,
            int[] targets,
            int alternatives) {
        Tensor head = parameters.head(of);
        int most = device.blocks().tokensOfLogits(head.dim(0));
        float[] logprobs = new float[targets.length];
        boolean[] hits = new boolean[targets.length];
        int told = Math.min(alternatives, Math.toIntExact(head.dim(0)));
        int[] likeliest = new int[targets.length * told];
        float[] theirs = new float[likeliest.length];
        for (int from = 0; from < targets.length; from += most) {
            int to = Math.min(targets.length, from + most);
            Workspace.Mark mark = scratch.mark();
            Tensor normed = scratch.take(x.dtype(), to - from, x.dim(1));
            kernels.rmsNorm(
                    x.rows(from, to),
                    parameters.finalNorm(),
                    (float) config.rmsNormEps(),
                    normed,
                    scratch.take(DType.F32, to - from));
            Tensor logits = scratch.take(DType.F32, to - from, head.dim(0));
            kernels.matmul(Product.NT, normed, head, logits, false);
            Scored some = scored(logits, Arrays.copyOfRange(targets, from, to));
            System.arraycopy(some.logprobs, 0, logprobs, from, to - from);
            System.arraycopy(some.hits, 0, hits, from, to - from);
            float[][] host = told == 0 ? null : logits(logits);
            for (int i = from; i < to && told > 0; i++) {
                int at = i * told;
                for (Made.Alternative one :
                        likeliest(host[i - from], targets[i], logprobs[i], told)) {
                    likeliest[at] = one.id();
                    theirs[at++] = (float) one.logprob();
                }
            }
            scratch.release(mark);
        }
        return new Scored(logprobs, hits, likeliest, theirs);
    }

    /**
     * The likeliest tokens, the first of equals first.
     *
     * @param id a token whose logprob is known
     */
    static List<Made.Alternative> likeliest(float[] logits, int id, double logprob, int count) {
        List<Made.Alternative> likeliest = new ArrayList<>();
        if (count == 0) {
            return likeliest;
        }
        int[] best = new int[Math.min(count, logits.length)];
        int found = 0;
        for (int i = 0; i < logits.length; i++) {
            int at = found;
            while (at > 0 && logits[i] > logits[best[at - 1]]) {
                at--;
            }
            if (at < best.length) {
                int kept = Math.min(found, best.length - 1);
                System.arraycopy(best, at, best, at + 1, kept - at);
                best[at] = i;
                found = kept + 1;
            }
        }
        double norm = logits[id] - logprob;
        for (int other : best) {
            likeliest.add(new Made.Alternative(other, logits[other] - norm));
        }
        return likeliest;
    }
}
