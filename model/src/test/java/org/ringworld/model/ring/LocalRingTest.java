package org.ringworld.model.ring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.model.training.LocalRanks;
import org.ringworld.model.training.RingResult;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Event;
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

    /** The name that a frame of a group has between all ranks. */
    private static Frame frame(Group group, int number) {
        for (Frame.Pass pass : Frame.Pass.values()) {
            if (pass.group() == group) {
                return Frame.of(1, 0).of(pass, 0, 0, number);
            }
        }
        throw new IllegalArgumentException(group + " has no pass");
    }

    private static Tensor number(Device device, float value) {
        Tensor x = device.tensor(DType.F32, 1);
        device.kernels().fill(x, value);
        return x;
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 5})
    void anyRankSendsToAnyOtherInEveryGroup(int size) {
        LocalRanks.run(
                size,
                (ring, device) -> {
                    List<Lease> leases = new ArrayList<>();
                    for (Group group : Group.values()) {
                        for (int to = 0; to < size; to++) {
                            Tensor x =
                                    number(device, 100 * ring.rank() + 10 * to + group.ordinal());
                            leases.add(new Lease());
                            Lease lease = leases.getLast();
                            ring.send(to, frame(group, 0), x, device.record(), lease);
                        }
                    }
                    // Names are the same between all ranks, and the last group is asked for first.
                    for (int g = Group.values().length - 1; g >= 0; g--) {
                        for (int from = size - 1; from >= 0; from--) {
                            Frame name = frame(Group.values()[g], 0);
                            Ring.Transfer coming = ring.receive(from, name, DType.F32, 1);
                            float[] arrived = RingResult.floats(device, coming.await(device));
                            assertThat(arrived).containsExactly(100 * from + 10 * ring.rank() + g);
                            coming.lease().release(device.record());
                        }
                    }
                    leases.forEach(lease -> lease.awaitFree(ring, device));
                    return null;
                });
    }

    @ParameterizedTest
    @EnumSource(Group.class)
    void framesThatNobodyExpectsOrReadsHoldUpNoOtherGroup(Group stopped) {
        LocalRing ring = new LocalRing(3);
        try (Device device = new CpuDevice(1)) {
            Ring sender = ring.member(0);
            Ring reader = ring.member(2);
            reader.receive(0, frame(stopped, 0), DType.F32, 1); // and never waits for it
            for (int number = 0; number < 100; number++) {
                Tensor x = number(device, number);
                sender.send(2, frame(stopped, number), x, device.record(), new Lease());
            }
            for (Group group : Group.values()) {
                if (group != stopped) {
                    Tensor x = number(device, 7);
                    sender.send(2, frame(group, 0), x, device.record(), new Lease());
                    Ring.Transfer coming = reader.receive(0, frame(group, 0), DType.F32, 1);
                    assertThat(coming.hasArrived()).isTrue();
                    assertThat(coming.await(device)).isSameAs(x);
                }
            }
            Ring.Transfer late = reader.receive(0, frame(stopped, 99), DType.F32, 1);
            assertThat(RingResult.floats(device, late.await(device))).containsExactly(99);
        }
    }

    @ParameterizedTest
    @EnumSource(Frame.Pass.class)
    void aFrameTakesTheLinkOfItsGroup(Frame.Pass pass) {
        RingMember member = new RingMember(0, 3);
        List<Group> taken = new ArrayList<>();
        for (Group group : Group.values()) {
            member.linkTo(2, group, (_, _, _, _) -> taken.add(group));
        }
        Frame frame = Frame.of(1, 0).of(pass, 0, 0, 0);
        member.send(2, frame, null, Event.HAPPENED, new Lease());
        assertThat(taken).containsExactly(pass.group());
        assertThatThrownBy(() -> member.send(1, frame, null, Event.HAPPENED, new Lease()))
                .hasMessage("no link leads from rank 0 to rank 1");
        assertThatThrownBy(() -> member.receive(1, frame, DType.F32, 1))
                .hasMessage("no link comes from rank 1 to rank 0");
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
