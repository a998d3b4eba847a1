package org.ringworld.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Tensor;

class GradientSumTest {
    /** Of several sums: the greatest holds more elements than one takes. */
    private static final int LENGTH = 20_000_048;

    private static final long[] BEGINNINGS = {
        19_999_000, 19_000_000, 1_500_000, 1_499_984, 600_000
    };

    /** Small whole numbers: their sum is exact in whatever order it is taken. */
    private static float value(int i, int rank) {
        return (i * 31 + rank * 7) % 1021;
    }

    @ParameterizedTest
    @CsvSource({"1", "2", "3", "5"})
    void whatIsSummedWhileRanksGoOnIsTheSumOfAll(int size) {
        List<float[]> sums =
                LocalRanks.run(
                        size,
                        (ring, device) -> {
                            Random pace = new Random(ring.rank());
                            Tensor x = device.tensor(DType.F32, LENGTH);
                            GradientSum sum = new GradientSum(ring, device, x, 1);
                            int end = LENGTH;
                            for (long beginning : BEGINNINGS) {
                                for (int i = (int) beginning; i < end; i++) {
                                    x.memory()
                                            .setAtIndex(
                                                    ValueLayout.JAVA_FLOAT,
                                                    i,
                                                    value(i, ring.rank()));
                                }
                                end = (int) beginning;
                                LockSupport.parkNanos(pace.nextInt(5_000_000));
                                sum.wholeFrom(beginning);
                            }
                            for (int i = 0; i < end; i++) {
                                x.memory()
                                        .setAtIndex(
                                                ValueLayout.JAVA_FLOAT, i, value(i, ring.rank()));
                            }
                            sum.finish();
                            return RingResult.floats(device, x);
                        });
        float[] expected = new float[LENGTH];
        for (int i = 0; i < LENGTH; i++) {
            for (int rank = 0; rank < size; rank++) {
                expected[i] += value(i, rank);
            }
        }
        for (float[] sum : sums) {
            assertThat(java.util.Arrays.equals(sum, expected)).isTrue();
        }
    }
}
