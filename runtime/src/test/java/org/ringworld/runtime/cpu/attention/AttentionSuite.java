package org.ringworld.runtime.cpu.attention;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.Parity;
import org.ringworld.runtime.cpu.PlainOracle;
import org.ringworld.runtime.cpu.TensorsOf;

/**
 * Fast attention, in one block and continued over several, and merged, against the plain one, on
 * any device.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class AttentionSuite {
    private static final double CLOSE = 1e-5;

    /** Where probabilities are rounded to BF16 before they are multiplied. */
    private static final double CLOSE_BF16 = 4e-3;

    /** How tokens lie: one causal document, packed ones with padding, or in any order. */
    enum Tokens {
        CAUSAL,
        PACKED,
        SHUFFLED
    }

    /** What the suite runs on. */
    protected abstract List<DeviceSpec> devices();

    /** Queries, keys, heads, KV heads, headDim. */
    protected int[][] shapes() {
        return new int[][] {
            {1, 1, 1, 1, 1}, {1, 130, 4, 2, 64}, {3, 207, 2, 2, 32}, {13, 97, 3, 1, 13},
            {96, 96, 2, 1, 16}, {200, 200, 4, 2, 32}, {207, 333, 6, 2, 20}, {300, 300, 1, 1, 128}
        };
    }

    Stream<Arguments> cases() {
        int[][] shapes = shapes();
        List<DeviceSpec> devices = devices();
        List<Arguments> cases = new ArrayList<>();
        for (int[] s : shapes) {
            for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
                for (Tokens tokens : Tokens.values()) {
                    DeviceSpec on = devices.get(cases.size() % devices.size());
                    cases.add(Arguments.of(tokens, dtype, on, s[0], s[1], s[2], s[3], s[4]));
                }
            }
        }
        return cases.stream();
    }

    /** Positions and segments of n tokens. */
    private static int[][] tokens(Tokens kind, int n, int first, Random random) {
        int[][] t = new int[2][n];
        for (int i = 0; i < n; i++) {
            switch (kind) {
                case CAUSAL -> t[0][i] = first + i;
                case PACKED -> {
                    t[0][i] = (first + i) % 70;
                    t[1][i] = i % 11 == 10 || i > n - 5 ? -1 : (first + i) / 70;
                }
                case SHUFFLED -> {
                    t[0][i] = random.nextInt(n);
                    t[1][i] = random.nextInt(3) - 1;
                }
            }
        }
        return t;
    }

    @ParameterizedTest
    @MethodSource("cases")
    void agreesWithThePlainOne(
            Tokens kind, DType dtype, DeviceSpec on, int s, int t, int h, int g, int d) {
        double close = dtype == DType.BF16 ? CLOSE_BF16 : CLOSE;
        Random random = new Random(5);
        int[][] queries = tokens(kind, s, t - s, random);
        int[][] keys = tokens(kind, t, 0, random);
        try (var p = new Parity(on)) {
            Tensor q = p.normal(dtype, s, h, d);
            Tensor k = p.normal(dtype, t, g, d);
            Tensor v = p.normal(dtype, t, g, d);
            Tensor qp = p.ints(queries[0]);
            Tensor qs = p.ints(queries[1]);
            Tensor kp = p.ints(keys[0]);
            Tensor ks = p.ints(keys[1]);
            Tensor out = p.tensors().zeros(s, h, d);
            Tensor max = p.tensors().zeros(s, h);
            p.device().kernels().fill(max, Float.NEGATIVE_INFINITY);
            Tensor sum = p.tensors().zeros(s, h);
            float scale = (float) (1 / Math.sqrt(d));
            for (int n : IntStream.rangeClosed(1, Math.min(3, t)).toArray()) {
                p.check(
                        close,
                        (f, r) -> {
                            for (int b = 0; b < n; b++) {
                                forward(
                                        f,
                                        q,
                                        qp,
                                        qs,
                                        k,
                                        v,
                                        kp,
                                        ks,
                                        t * b / n,
                                        t * (b + 1) / n,
                                        scale,
                                        r.get(0),
                                        r.get(1),
                                        r.get(2));
                            }
                            logSums(p.tensors(), r.get(1), r.get(2));
                        },
                        out,
                        max,
                        sum);
            }
            forward(PlainOracle.kernels(), q, qp, qs, k, v, kp, ks, 0, t, scale, out, max, sum);
            Tensor dOut = p.normal(dtype, s, h, d);
            Tensor delta = p.tensors().zeros(s, h);
            PlainOracle.kernels().attentionDelta(dOut, out, delta);
            p.check(
                    close,
                    (f, r) ->
                            f.attentionBackward(
                                    q, qp, qs, k, v, kp, ks, scale, dOut, max, sum, delta, r.get(0),
                                    r.get(1), r.get(2)),
                    p.tensors().zeros(s, h, d),
                    p.tensors().zeros(t, g, d),
                    p.tensors().zeros(t, g, d));
        }
    }

    @ParameterizedTest
    @MethodSource("devices")
    void mergingAgreesWithThePlainOne(DeviceSpec on) {
        int[][] shapes = {{1, 1, 1}, {3, 2, 13}, {207, 3, 20}, {300, 8, 64}};
        try (var p = new Parity(on)) {
            for (int[] s : shapes) {
                Tensor otherOut = p.normal(DType.F32, s[0], s[1], s[2]);
                Tensor otherMax = p.normal(DType.F32, s[0], s[1]);
                Tensor otherSum = sums(p, s[0], s[1]);
                p.check(
                        1e-6,
                        (f, r) ->
                                f.attentionMerge(
                                        otherOut, otherMax, otherSum, r.get(0), r.get(1), r.get(2)),
                        p.normal(DType.F32, s[0], s[1], s[2]),
                        p.normal(DType.F32, s[0], s[1]),
                        sums(p, s[0], s[1]));
            }
        }
    }

    /** Sums of exponentials, of which some are of nothing. */
    private static Tensor sums(Parity p, int queries, int heads) {
        Random random = new Random(17);
        float[] x = new float[queries * heads];
        for (int i = 0; i < x.length; i++) {
            x[i] = random.nextInt(9) == 0 ? 0 : random.nextFloat(1, 1000);
        }
        return p.tensors().f32(x, queries, heads);
    }

    private static void forward(
            Kernels f,
            Tensor q,
            Tensor qp,
            Tensor qs,
            Tensor k,
            Tensor v,
            Tensor kp,
            Tensor ks,
            int from,
            int end,
            float scale,
            Tensor out,
            Tensor max,
            Tensor sum) {
        f.attention(
                q,
                qp,
                qs,
                k.rows(from, end),
                v.rows(from, end),
                kp.rows(from, end),
                ks.rows(from, end),
                scale,
                out,
                max,
                sum);
    }

    /** max += log2(sum): which maximum a kernel takes is its own choice, this is not. */
    static void logSums(TensorsOf tensors, Tensor max, Tensor sum) {
        float[] logs = tensors.read(max);
        float[] sums = tensors.read(sum);
        for (int i = 0; i < logs.length; i++) {
            logs[i] = (float) (logs[i] + Math.log(sums[i]) / Math.log(2));
        }
        tensors.device().copyIn(MemorySegment.ofArray(logs), max);
        tensors.device().copyIn(MemorySegment.ofArray(new float[sums.length]), sum);
    }
}
