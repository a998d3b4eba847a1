package org.ringworld.runtime.cpu;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Kernels.Product;
import org.ringworld.runtime.Tensor;

/** Products by oneDNN, in Java, and of few rows, against the plain one. */
class VectorMatmulTest {
    static Stream<Arguments> cases() {
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
            for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
                for (int[] s : sizes) {
                    for (int threads = 1; threads <= 3; threads++) {
                        cases.add(Arguments.of(product, dtype, threads, s[0], s[1], s[2]));
                    }
                }
            }
        }
        return cases.stream();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void agreesWithThePlainOne(Product product, DType dtype, int threads, int m, int n, int k) {
        try (var p = new Parity(threads)) {
            Tensor a = product == Product.TN ? p.normal(dtype, k, m) : p.normal(dtype, m, k);
            Tensor b = product == Product.NT ? p.normal(dtype, n, k) : p.normal(dtype, k, n);
            Tensor c = p.normal(DType.F32, m, n);
            Tensor narrow = p.normal(dtype, m, n);
            var scratch = new Scratch(new HostMemory(), threads);
            try (var team = new WorkerTeam(threads, VectorMatmulTest::daemon)) {
                var java = new VectorKernels(team, scratch, null);
                for (boolean add : new boolean[] {false, true}) {
                    p.check(3e-6, (f, r) -> f.matmul(product, a, b, r.get(0), add), c);
                    p.check(3e-6, (f, r) -> f.matmul(product, a, b, r.get(0), add), narrow);
                    p.check(java, 3e-6, (f, r) -> f.matmul(product, a, b, r.get(0), add), c);
                    p.check(java, 3e-6, (f, r) -> f.matmul(product, a, b, r.get(0), add), narrow);
                }
            }
        }
    }

    private static Thread daemon(Runnable body) {
        Thread thread = new Thread(body);
        thread.setDaemon(true);
        return thread;
    }
}
