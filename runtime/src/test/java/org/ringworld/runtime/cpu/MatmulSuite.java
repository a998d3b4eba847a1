package org.ringworld.runtime.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.ringworld.runtime.DType.BF16;
import static org.ringworld.runtime.Kernels.Product.NT;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Kernels.Product;
import org.ringworld.runtime.Tensor;

/** Products, and those of few rows, against the plain one, on any device. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class MatmulSuite {
    /** What the suite runs on. */
    protected abstract List<DeviceSpec> devices();

    /** Runs a test with all the ways in which a device forms its products. */
    protected void inEachWay(Parity p, Consumer<List<Kernels>> test) {
        test.accept(List.of(p.device().kernels()));
    }

    Stream<Arguments> cases() {
        int[][] sizes = {
            {1, 1, 1},
            {1, 207, 129},
            {2, 64, 64},
            {3, 65, 31},
            {4, 13, 300},
            {5, 13, 7},
            {6, 32, 256},
            {13, 1, 5},
            {207, 33, 13},
            {64, 128, 192},
            {100, 300, 260},
            {300, 64, 520},
            {5, 7, 0}
        };
        List<Arguments> cases = new ArrayList<>();
        for (Product product : Product.values()) {
            for (DType dtype : new DType[] {DType.F32, BF16}) {
                for (int[] s : sizes) {
                    for (DeviceSpec on : devices()) {
                        cases.add(Arguments.of(product, dtype, on, s[0], s[1], s[2]));
                    }
                }
            }
        }
        return cases.stream();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void agreesWithThePlainOne(Product product, DType dtype, DeviceSpec on, int m, int n, int k) {
        try (var p = new Parity(on)) {
            Tensor a = product == Product.TN ? p.normal(dtype, k, m) : p.normal(dtype, m, k);
            Tensor b = product == Product.NT ? p.normal(dtype, n, k) : p.normal(dtype, k, n);
            Tensor c = p.normal(DType.F32, m, n);
            Tensor narrow = p.normal(dtype, m, n);
            inEachWay(
                    p,
                    ways -> {
                        for (boolean add : new boolean[] {false, true}) {
                            p.check(
                                    ways,
                                    3e-6,
                                    (f, r) -> f.matmul(product, a, b, r.get(0), add),
                                    c);
                            p.check(
                                    ways,
                                    3e-6,
                                    (f, r) -> f.matmul(product, a, b, r.get(0), add),
                                    narrow);
                        }
                    });
        }
    }

    /** Rows of b between two panels, threads that share them, and odd ends of all sides. */
    @ParameterizedTest
    @CsvSource({
        "I8, 1, 1, 1, 1", "I8, 1, 207, 129, 2", "I8, 3, 66, 64, 1", "I8, 4, 13, 300, 3",
        "I8, 5, 8, 7, 2", "I8, 13, 1, 5, 1", "I8, 20, 49, 205, 2", "I8, 5, 49, 22000, 1",
        "I8, 200, 64, 52, 2", "I8, 5, 7, 0, 1", "F32, 1, 207, 128, 2", "F32, 7, 300, 96, 3",
        "BF16, 2, 207, 128, 2", "BF16, 7, 300, 96, 3"
    })
    void theRightMatrixMayBeOfAnotherDtype(DType weights, int m, int n, int k, int device) {
        try (var p = new Parity(device(device))) {
            Tensor b = p.normal(weights, n, k);
            Tensor c = p.normal(DType.F32, m, n);
            for (DType dtype : new DType[] {DType.F32, BF16}) {
                // A product of BF16 has b rounded: off by 2^-9 of each term at most.
                double tolerance = dtype == BF16 ? 4e-3 : 1e-5;
                Tensor a = p.normal(dtype, m, k);
                Tensor narrow = p.normal(dtype, m, n);
                p.check(tolerance, (f, r) -> f.matmul(NT, a, b, r.get(0), false), c);
                p.check(tolerance, (f, r) -> f.matmul(NT, a, b, r.get(0), true), narrow);
                inEachWay(
                        p,
                        ways -> {
                            for (Kernels other : ways.subList(1, ways.size())) {
                                p.check(
                                        other,
                                        1e-5,
                                        (f, r) -> f.matmul(NT, a, b, r.get(0), true),
                                        c);
                            }
                        });
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "NT, 1, 7, 5, 4100",
        "NN, 3, 7, 150, 16390",
        "NN, 2, 100, 65, 2050",
        "NT, 3, 207, 129, 1408",
        "TN, 3, 33, 300, 1030"
    })
    void aBf16ResultIsTheSumRoundedOnce(Product product, int device, int m, int n, int k) {
        try (var p = new Parity(device(device))) {
            Tensor a = product == Product.TN ? p.normal(BF16, k, m) : p.normal(BF16, m, k);
            Tensor b = product == Product.NT ? p.normal(BF16, n, k) : p.normal(BF16, k, n);
            Tensor c = p.normal(BF16, m, n);
            float[] left = p.tensors().read(a);
            float[] right = p.tensors().read(b);
            float[] sums = p.tensors().read(c);
            p.device().kernels().matmul(product, a, b, c, true);
            float[] actual = p.tensors().read(c);
            for (int i = 0; i < m * n; i++) {
                double sum = sums[i];
                double size = Math.abs(sum);
                for (int j = 0; j < k; j++) {
                    double x = left[product == Product.TN ? j * m + i / n : i / n * k + j];
                    double y = right[product == Product.NT ? i % n * k + j : j * n + i % n];
                    sum += x * y;
                    size += Math.abs(x * y);
                }
                assertThat((double) actual[i])
                        .isCloseTo(sum, within(Math.abs(sum) / 256 + 1e-6 * size));
            }
        }
    }

    @Test
    void moreShapesThanAreKeptAreAsRightAsTheFirst() {
        try (var p = new Parity(device(1))) {
            Tensor a = p.normal(BF16, 620, 9);
            Tensor b = p.normal(BF16, 5, 9);
            Tensor c = p.normal(BF16, 620, 5);
            for (int rows = 10; rows < 630; rows++) {
                int m = rows % 310 * 2;
                p.check(
                        3e-6,
                        (f, r) -> f.matmul(Product.NT, a.rows(0, m), b, r.get(0).rows(0, m), true),
                        c);
            }
        }
    }

    @Test
    void aRowIsWhatItWouldBeAlone() {
        for (DType weights : new DType[] {DType.F32, BF16, DType.I8}) {
            for (DType dtype : new DType[] {DType.F32, BF16}) {
                try (var p = new Parity(device(2))) {
                    Tensor a = p.normal(dtype, 37, 104);
                    Tensor b = p.normal(weights, 45, 104);
                    Tensor c = p.normal(DType.F32, 37, 45);
                    var kernels = p.device().kernels();
                    kernels.rowwise(true);
                    p.check(
                            dtype == BF16 ? 4e-3 : 1e-5,
                            (f, r) -> f.matmul(NT, a, b, r.get(0), false),
                            c);
                    kernels.matmul(NT, a, b, c, false);
                    float[] together = p.tensors().read(c.rows(11, 12));
                    kernels.matmul(NT, a.rows(11, 12), b, c.rows(0, 1), false);
                    assertThat(p.tensors().read(c.rows(0, 1))).isEqualTo(together);
                }
            }
        }
    }

    /** The n-th device, counting from 1, or the last. */
    private DeviceSpec device(int n) {
        return devices().get(Math.min(n, devices().size()) - 1);
    }
}
