package org.ringworld.runtime.cpu.attention;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
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
import org.ringworld.runtime.PageTable;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.Parity;
import org.ringworld.runtime.cpu.PlainOracle;

/**
 * Attention to scattered pages: the plain kernel against blocks of keys, any device's against it.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class PagedAttentionSuite {
    private static final int EMPTY = Integer.MAX_VALUE;

    /**
     * @param lengths keys of each sequence
     * @param queries its last so many ask
     */
    public record Shape(int[] lengths, int[] queries, int page, int h, int g, int d) {
        int sequences() {
            return lengths.length;
        }
    }

    /** What the suite runs on. */
    protected abstract List<DeviceSpec> devices();

    protected List<Shape> shapes() {
        return List.of(
                new Shape(new int[] {1}, new int[] {1}, 16, 1, 1, 8),
                new Shape(new int[] {300}, new int[] {1}, 32, 4, 2, 64),
                new Shape(new int[] {1500, 0, 16, 33}, new int[] {1, 1, 1, 1}, 16, 6, 2, 20),
                new Shape(new int[] {128, 129, 1100}, new int[] {1, 5, 130}, 128, 2, 2, 13),
                new Shape(new int[] {700, 50}, new int[] {40, 50}, 48, 8, 1, 32));
    }

    /** Of queries, and of pages. */
    private static final DType[][] DTYPES = {
        {DType.F32, DType.F32},
        {DType.BF16, DType.BF16},
        {DType.F32, DType.I8},
        {DType.BF16, DType.I8},
        {DType.F32, DType.BF16}
    };

    Stream<Arguments> cases() {
        List<DeviceSpec> devices = devices();
        List<Arguments> cases = new ArrayList<>();
        for (Shape shape : shapes()) {
            for (DType[] dtypes : DTYPES) {
                for (boolean holes : new boolean[] {false, true}) {
                    DeviceSpec on = devices.get(cases.size() % devices.size());
                    cases.add(Arguments.of(on, dtypes[0], dtypes[1], holes, shape));
                }
            }
        }
        return cases.stream();
    }

    /** Sequences scattered over a pool: pages of each, and positions of all places. */
    private record Scattered(int[] borders, int[] pages, int[] positions, int poolPages) {
        static Scattered of(Shape shape, boolean holes, Random random) {
            int[] borders = new int[shape.sequences() + 1];
            for (int b = 0; b < shape.sequences(); b++) {
                borders[b + 1] = borders[b] + Math.ceilDiv(shape.lengths[b], shape.page);
            }
            int used = borders[shape.sequences()];
            int poolPages = used + 3;
            List<Integer> order = new ArrayList<>();
            IntStream.range(0, poolPages).forEach(order::add);
            Collections.shuffle(order, random);
            int[] pages = order.stream().mapToInt(Integer::intValue).limit(used).toArray();
            int[] positions = new int[poolPages * shape.page];
            Arrays.fill(positions, EMPTY);
            for (int b = 0; b < shape.sequences(); b++) {
                for (int i = 0; i < shape.lengths[b]; i++) {
                    int at = pages[borders[b] + i / shape.page] * shape.page + i % shape.page;
                    positions[at] = holes && random.nextInt(5) == 0 ? EMPTY : i;
                }
            }
            return new Scattered(borders, pages, positions, poolPages);
        }
    }

    /** The last pages are open ones, which are of the queries' dtype. */
    private record Inputs(
            Tensor q,
            Tensor qPositions,
            Tensor pool,
            Tensor open,
            Tensor kPositions,
            PageTable table) {
        static Inputs of(Parity p, Shape shape, Scattered at, DType dtype, DType pages) {
            int open = pages == dtype ? 0 : at.poolPages / 3;
            int[] queryBorders = new int[shape.sequences() + 1];
            for (int b = 0; b < shape.sequences(); b++) {
                queryBorders[b + 1] = queryBorders[b] + shape.queries[b];
            }
            int all = queryBorders[shape.sequences()];
            int[] qPositions = new int[all];
            for (int b = 0; b < shape.sequences(); b++) {
                for (int i = 0; i < shape.queries[b]; i++) {
                    qPositions[queryBorders[b] + i] = shape.lengths[b] - shape.queries[b] + i;
                }
            }
            return new Inputs(
                    p.normal(dtype, all, shape.h, shape.d),
                    p.tensors().ints(qPositions),
                    p.normal(pages, at.poolPages - open, 2, shape.page, shape.g, shape.d),
                    p.normal(dtype, open, 2, shape.page, shape.g, shape.d),
                    p.tensors().ints(at.positions),
                    new PageTable(
                            p.tensors().ints(queryBorders),
                            p.tensors().ints(at.borders),
                            p.tensors().ints(at.pages)));
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void agreesWithThePlainOne(
            DeviceSpec on, DType dtype, DType pages, boolean holes, Shape shape) {
        Scattered at = Scattered.of(shape, holes, new Random(7));
        float scale = (float) (1 / Math.sqrt(shape.d));
        try (var p = new Parity(on)) {
            Inputs in = Inputs.of(p, shape, at, dtype, pages);
            int s = (int) in.q.dim(0);
            p.check(
                    1e-5,
                    (f, r) -> {
                        f.pagedAttention(
                                in.q,
                                in.qPositions,
                                in.pool,
                                in.open,
                                in.kPositions,
                                in.table,
                                scale,
                                r.get(0),
                                r.get(1),
                                r.get(2));
                        AttentionSuite.logSums(p.tensors(), r.get(1), r.get(2));
                    },
                    p.normal(DType.F32, s, shape.h, shape.d),
                    p.normal(DType.F32, s, shape.h),
                    p.normal(DType.F32, s, shape.h));
        }
    }

    /** What a sequence's pages give is what the same keys give as blocks, one after the other. */
    @ParameterizedTest
    @MethodSource("cases")
    void pagesAreBlocksOfKeys(DeviceSpec on, DType dtype, DType pages, boolean holes, Shape shape) {
        Scattered at = Scattered.of(shape, holes, new Random(8));
        float scale = (float) (1 / Math.sqrt(shape.d));
        try (var p = new Parity(on)) {
            Inputs in = Inputs.of(p, shape, at, dtype, pages);
            int s = (int) in.q.dim(0);
            Tensor q = p.tensors().zeros(s, shape.h, shape.d);
            PlainOracle.kernels().copy(in.q, q);
            Tensor out = p.tensors().zeros(s, shape.h, shape.d);
            Tensor max = p.tensors().f32(negativeInfinity(s * shape.h), s, shape.h);
            Tensor sum = p.tensors().zeros(s, shape.h);
            int first = 0;
            for (int b = 0; b < shape.sequences(); b++) {
                int end = first + shape.queries[b];
                Tensor none = p.tensors().ints(new int[shape.queries[b]]);
                Tensor noneOfPage = p.tensors().ints(new int[shape.page]);
                for (int i = at.borders[b]; i < at.borders[b + 1]; i++) {
                    int page = at.pages[i];
                    Tensor kv = p.tensors().zeros(2, shape.page, shape.g, shape.d);
                    long inPool = in.pool.dim(0);
                    PlainOracle.kernels()
                            .copy(
                                    page < inPool
                                            ? in.pool.rows(page, page + 1)
                                            : in.open.rows(page - inPool, page - inPool + 1),
                                    kv);
                    PlainOracle.kernels()
                            .attention(
                                    q.rows(first, end),
                                    in.qPositions.rows(first, end),
                                    none,
                                    kv.rows(0, 1).view(shape.page, shape.g, shape.d),
                                    kv.rows(1, 2).view(shape.page, shape.g, shape.d),
                                    in.kPositions.rows(
                                            (long) page * shape.page, (page + 1L) * shape.page),
                                    noneOfPage,
                                    scale,
                                    out.rows(first, end),
                                    max.rows(first, end),
                                    sum.rows(first, end));
                }
                first = end;
            }
            AttentionSuite.logSums(p.tensors(), max, sum);
            Tensor[] paged = {
                p.tensors().zeros(s, shape.h, shape.d),
                p.tensors().zeros(s, shape.h),
                p.tensors().zeros(s, shape.h)
            };
            PlainOracle.kernels()
                    .pagedAttention(
                            in.q,
                            in.qPositions,
                            in.pool,
                            in.open,
                            in.kPositions,
                            in.table,
                            scale,
                            paged[0],
                            paged[1],
                            paged[2]);
            AttentionSuite.logSums(p.tensors(), paged[1], paged[2]);
            assertClose(p, paged[0], out);
            assertClose(p, paged[1], max);
        }
    }

    private static void assertClose(Parity p, Tensor actual, Tensor expected) {
        float[] right = p.tensors().read(expected);
        Parity.assertClose(p.tensors().read(actual), right, 1e-6, 0, "paged");
    }

    private static float[] negativeInfinity(int n) {
        float[] all = new float[n];
        Arrays.fill(all, Float.NEGATIVE_INFINITY);
        return all;
    }
}
