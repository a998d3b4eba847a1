package org.ringworld.model.ring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.model.training.LocalRanks;
import org.ringworld.model.training.RingResult;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.CpuDevice;

class LocalRingTest {
    @ParameterizedTest
    @CsvSource({"1,5", "2,1", "2,33", "3,7", "3,4098", "7,100", "8,3"})
    void allRanksAgreeOnTheSumToTheLastBit(int size, int length) {
        List<float[]> sums =
                LocalRanks.run(
                        size,
                        (ring, device) -> {
                            Tensor x = device.tensor(DType.F32, length);
                            float[] host = new float[length];
                            for (int i = 0; i < length; i++) {
                                host[i] =
                                        (float) Math.sin(i + 31 * ring.rank()) * (1 << ring.rank());
                            }
                            try (Arena arena = Arena.ofConfined()) {
                                device.copyIn(arena.allocateFrom(ValueLayout.JAVA_FLOAT, host), x);
                            }
                            AllReduce.sum(ring, device, x, 1);
                            return RingResult.floats(device, x);
                        });
        for (float[] sum : sums) {
            assertThat(sum).isEqualTo(sums.getFirst());
        }
        for (int i = 0; i < length; i++) {
            double expected = 0;
            for (int rank = 0; rank < size; rank++) {
                expected += Math.sin(i + 31 * rank) * (1 << rank);
            }
            assertThat((double) sums.getFirst()[i])
                    .isCloseTo(expected, org.assertj.core.data.Offset.offset(1e-4));
        }
    }

    @Test
    void aBrokenRingFailsThoseWhoWaitAtOnceAndThoseWhoComeLater() throws Exception {
        LocalRing ring = new LocalRing(2);
        Frame frame = Frame.of(1, 0);
        try (Device device = new CpuDevice(1)) {
            CompletableFuture<Void> waiting =
                    CompletableFuture.runAsync(
                            () -> ring.member(1).receive(frame, DType.F32, 3).await(device));
            Thread.sleep(50);
            assertThat(waiting).isNotDone();
            ring.breakUp("rank 0 stopped");
            assertThatThrownBy(() -> waiting.get(5, TimeUnit.SECONDS))
                    .hasCauseInstanceOf(RingBrokenException.class)
                    .hasMessageContaining("rank 0 stopped");
            assertThatThrownBy(() -> ring.member(0).receive(frame, DType.F32, 3).await(device))
                    .isInstanceOf(RingBrokenException.class);
        }
    }

    @Test
    void aLeaseIsFreeWhenTheLastReaderHasReleasedIt() throws Exception {
        LocalRing ring = new LocalRing(2);
        try (Device device = new CpuDevice(1)) {
            Lease lease = new Lease();
            Tensor x = device.tensor(DType.F32, 3);
            ring.member(0).send(Frame.of(1, 0), x, device.record(), lease);
            Ring.Transfer arrived = ring.member(1).receive(Frame.of(1, 0), DType.F32, 3);
            assertThat(arrived.await(device)).isSameAs(x);
            CompletableFuture<Void> owner =
                    CompletableFuture.runAsync(() -> lease.awaitFree(ring.member(0), device));
            Thread.sleep(30);
            assertThat(owner).isNotDone();
            arrived.lease().release(device.record());
            owner.get(5, TimeUnit.SECONDS);
        }
    }
}
