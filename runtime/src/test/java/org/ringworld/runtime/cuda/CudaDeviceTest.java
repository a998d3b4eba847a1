package org.ringworld.runtime.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.DeviceLostException;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Devices;
import org.ringworld.runtime.Event;
import org.ringworld.runtime.Staging;
import org.ringworld.runtime.Tensor;

/** A card as a device: memory, copies, order and what becomes of errors. */
class CudaDeviceTest {
    @BeforeEach
    void card() {
        TestCard.orSkip();
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1, 4097, (2 << 20) + 3, (19 << 20) + 5})
    void copiesThereAndBack(long bytes) {
        byte[] there = new byte[(int) bytes];
        new Random(bytes).nextBytes(there);
        byte[] back = new byte[(int) bytes];
        try (var device = new CudaDevice(0)) {
            MemorySegment memory = device.allocate(bytes);
            assertThat(memory.byteSize()).isEqualTo(bytes);
            assertThat(memory.address() % 64).isZero();
            Tensor t = new Tensor(device, DType.I8, memory, scales(device, bytes), bytes, 1);
            device.copyOut(t, MemorySegment.ofArray(back));
            assertThat(back).containsOnly(new byte[(int) Math.min(1, bytes)]);
            device.copyIn(MemorySegment.ofArray(there), t);
            device.copyOut(t, MemorySegment.ofArray(back));
            assertThat(back).isEqualTo(there);
            assertThatThrownBy(() -> device.copyIn(MemorySegment.ofArray(new float[9]), t))
                    .hasMessageContaining("36 bytes on the host do not fit I8");
        }
    }

    private static Tensor scales(Device device, long count) {
        return device.tensor(DType.F32, count, 1);
    }

    @Test
    void onlyItsOwnMemoryIsFreedAndOnce() {
        try (var device = new CudaDevice(0)) {
            MemorySegment memory = device.allocate(100);
            assertThat(device.allocated()).isEqualTo(100);
            device.free(memory);
            assertThat(device.allocated()).isZero();
            assertThatThrownBy(() -> device.free(memory))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("is not of cuda 0");
        }
    }

    @Test
    void whatTheCardLacksIsSaidAndTheDeviceGoesOn() {
        try (var device = new CudaDevice(0)) {
            Tensor t = filled(device, 3);
            assertThatThrownBy(() -> device.tensor(DType.F32, 1L << 40))
                    .isInstanceOf(OutOfMemoryError.class)
                    .hasMessageContaining("4398046511104 bytes for a tensor on cuda 0, where ")
                    .hasMessageContaining(" and 40 are taken by this rank");
            device.kernels().add(t, t);
            assertThat(read(t)).containsOnly(6);
        }
    }

    @Test
    void aClosedDeviceHasGivenEverythingBack() {
        long before = used();
        try (var device = new CudaDevice(0)) {
            Tensor a = device.tensor(DType.BF16, 20, 30);
            Tensor c = device.tensor(DType.F32, 20, 20);
            device.kernels().matmul(org.ringworld.runtime.Kernels.Product.NT, a, a, c, true);
            device.kernels().sumOfSquares(c, device.tensor(DType.F32, 1));
            device.trim();
            try (Staging staging = device.staging(1000)) {
                staging.read(c, 4, 8);
            }
        }
        assertThat(used()).isEqualTo(before);
    }

    private static long used() {
        return TestCard.real() ? 0 : EmulatedCard.orSkip().usedBytes(0);
    }

    @Test
    void whatAnotherRankOfTheCardQueuedComesFirst() {
        try (var one = new CudaDevice(0);
                var two = new CudaDevice(0)) {
            lazily(
                    () -> {
                        assertThat(one.memorySpace()).isEqualTo(two.memorySpace());
                        Tensor x = one.tensor(DType.F32, 1000);
                        Tensor y = two.tensor(DType.F32, 1000);
                        for (int i = 1; i < 5; i++) {
                            one.kernels().fill(x, i);
                            Event filled = one.record();
                            two.await(filled);
                            two.kernels().add(x, y);
                            one.await(two.record());
                        }
                        assertThat(read(y)).containsOnly(10);
                    });
        }
    }

    @Test
    void aThreadOfALinkReadsAndWritesBesideTheKernels() {
        try (var device = new CudaDevice(0);
                Staging out = device.staging(40);
                Staging in = device.staging(40)) {
            lazily(
                    () -> {
                        Tensor x = filled(device, 5);
                        Tensor y = device.tensor(DType.F32, 10);
                        Event ready = device.record();
                        ready.await();
                        MemorySegment bytes = out.read(x, 8, 20);
                        in.space(y, 4, 20).copyFrom(bytes);
                        in.write();
                        assertThat(read(y)).containsExactly(0, 5, 5, 5, 5, 5, 0, 0, 0, 0);
                        assertThat(out.inPlace()).isFalse();
                    });
        }
    }

    private static void lazily(Runnable body) {
        if (TestCard.real()) {
            body.run();
            return;
        }
        EmulatedCard.orSkip().lazyStreams(true);
        try {
            body.run();
        } finally {
            EmulatedCard.orSkip().lazyStreams(false);
        }
    }

    @Test
    void theHostReachesCopiesAlone() {
        try (Arena arena = Arena.ofShared();
                var device = new CudaDevice(0)) {
            MemorySegment host = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1, 2, 3);
            Tensor t = device.adopt(host, DType.F32, 3);
            device.kernels().fill(t, 7);
            assertThat(read(t)).containsOnly(7);
            assertThat(host.getAtIndex(ValueLayout.JAVA_FLOAT, 2)).isEqualTo(3);
            assertThatThrownBy(() -> device.hostView(t))
                    .isInstanceOf(UnsupportedOperationException.class);
        }
    }

    @Test
    void progressGrowsWhileKernelsRun() {
        try (var device = new CudaDevice(0)) {
            long before = device.progress();
            filled(device, 1);
            device.record().await();
            assertThat(device.progress()).isGreaterThan(before);
        }
    }

    @Test
    void aBrokenCardSaysSoFromThenOnAndCloses() {
        if (TestCard.real()) {
            return; // a real one would stay broken for all that follows
        }
        var device = new CudaDevice(0);
        Tensor t = filled(device, 1);
        EmulatedCard.orSkip().failLaunch(1, 700);
        try {
            for (int time = 0; time < 2; time++) {
                assertThatThrownBy(
                                () -> {
                                    device.kernels().fill(t, 2);
                                    read(t);
                                })
                        .isInstanceOf(DeviceLostException.class)
                        .hasMessageContaining("CUDA_ERROR_ILLEGAL_ADDRESS")
                        .hasMessageEndingWith("this process cannot use the card any more");
                assertThatThrownBy(() -> device.allocate(5))
                        .isInstanceOf(DeviceLostException.class);
                assertThatThrownBy(device::trim).isInstanceOf(DeviceLostException.class);
            }
            assertThat(device.progress()).isEqualTo(device.progress());
        } finally {
            device.close();
            EmulatedCard.orSkip().restart();
        }
        try (var again = new CudaDevice(0)) {
            assertThat(read(filled(again, 4))).containsOnly(4);
        }
    }

    /** What breaks it is queued still when it is closed. */
    @Test
    void aCardThatBreaksAtLastClosesToo() {
        if (TestCard.real()) {
            return;
        }
        var device = new CudaDevice(0);
        Tensor t = filled(device, 1);
        EmulatedCard card = EmulatedCard.orSkip();
        card.lazyStreams(true);
        card.failLaunch(1, 700);
        try {
            device.kernels().fill(t, 2);
            assertThatCode(device::close).doesNotThrowAnyException();
        } finally {
            card.restart();
        }
        try (var again = new CudaDevice(0)) {
            assertThat(read(filled(again, 4))).containsOnly(4);
        }
    }

    @Test
    void aBudgetIsWhatIsGivenOrAPartOfWhatIsFree() {
        var specs =
                java.util.List.<DeviceSpec>of(
                        new DeviceSpec.Cuda(0, 0),
                        new DeviceSpec.Cuda(0, 5 << 20),
                        new DeviceSpec.Cpu(1));
        var devices = Devices.open(specs);
        try {
            assertThat(devices.get(0).name()).isEqualTo("cuda 0");
            assertThat(devices.get(1).memory()).isEqualTo(5 << 20);
            long whole = CudaCard.list().getFirst().memory();
            assertThat(devices.get(0).memory()).isBetween(whole / 4, whole / 2);
        } finally {
            devices.forEach(Device::close);
        }
    }

    @Test
    void whyACardCannotBeUsedIsASentence() {
        assertThatThrownBy(() -> new CudaDevice(9))
                .isInstanceOf(CudaException.class)
                .hasMessageMatching("cuda 9 cannot be used: the driver sees \\d+ card.*");
        if (TestCard.real()) {
            return;
        }
        try {
            EmulatedCard.orSkip().capability(75);
            assertThat(CudaCard.usableOnes()).isEmpty();
            assertThatThrownBy(() -> new CudaDevice(0))
                    .hasMessage(
                            "cuda 0 cannot be used: its compute capability is 7.5, less than 8.0");
            EmulatedCard.orSkip().reset();
            EmulatedCard.orSkip().driverVersion(12060);
            assertThatThrownBy(() -> new CudaDevice(0))
                    .isInstanceOf(CudaException.class)
                    .hasMessageContaining(
                            "the driver, of CUDA 12.6, does not read the code of nvcc")
                    .hasMessageContaining("CUDA_ERROR_UNSUPPORTED_PTX_VERSION");
        } finally {
            EmulatedCard.orSkip().reset();
        }
        assertThat(CudaCard.list().getFirst().reason()).isNull();
        assertThat(CudaCard.versions()).contains("driver of CUDA 13.0", "cuBLASLt");
    }

    @Test
    void damagedCodeIsNotUsed(@TempDir Path folder) throws Exception {
        Path file = folder.resolve("a/module.bin");
        assertThat(CompiledKernels.read(file)).isNull();
        byte[] code = {1, 2, 3, 4};
        CompiledKernels.write(file, code);
        assertThat(CompiledKernels.read(file)).isEqualTo(code);
        byte[] damaged = Files.readAllBytes(file);
        damaged[damaged.length - 2] ^= 1;
        Files.write(file, damaged);
        assertThat(CompiledKernels.read(file)).isNull();
        Files.write(file, new byte[3]);
        assertThat(CompiledKernels.read(file)).isNull();
        try (var files = Files.list(file.getParent())) {
            assertThat(files).containsExactly(file);
        }
    }

    private static Tensor filled(Device device, float value) {
        Tensor t = device.tensor(DType.F32, 10);
        device.kernels().fill(t, value);
        return t;
    }

    private static float[] read(Tensor t) {
        float[] values = new float[(int) t.size()];
        t.device().copyOut(t, MemorySegment.ofArray(values));
        return values;
    }
}
