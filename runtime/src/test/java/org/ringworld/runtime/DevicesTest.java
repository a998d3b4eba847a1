package org.ringworld.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.runtime.cpu.device.HostMemory;

class DevicesTest {
    @ParameterizedTest
    @CsvSource({"1, cpu (1 thread)", "3, cpu (3 threads)"})
    void aDeviceIsWhatItsDescriptionSays(int threads, String name) {
        DeviceSpec spec = new DeviceSpec.Cpu(threads, 5 << 20);
        try (Device device = Devices.open(spec)) {
            assertThat(device.name()).isEqualTo(name).isEqualTo(spec.name());
            assertThat(device.memory()).isEqualTo(5 << 20);
        }
    }

    @Test
    void devicesAreOpenedInTheirOrder() {
        List<DeviceSpec> specs =
                Stream.of(2, 1, 3).map(n -> (DeviceSpec) new DeviceSpec.Cpu(n)).toList();
        List<Device> devices = Devices.open(specs);
        assertThat(devices.stream().map(Device::name))
                .isEqualTo(specs.stream().map(DeviceSpec::name).toList());
        devices.forEach(Device::close);
    }

    @Test
    void kernelsAreTimedWhereTimesAreGiven() {
        KernelTimes times = new KernelTimes();
        DeviceSpec one = new DeviceSpec.Cpu(1);
        List<Device> devices = Devices.open(List.of(one, one), Arrays.asList(null, times));
        for (Device device : devices) {
            device.kernels().fill(device.tensor(DType.F32, 13), 1);
        }
        assertThat(times.take()).containsOnlyKeys("fill");
        devices.forEach(Device::close);
    }

    /** Budgets given, in GiB, 0 for none; those that the devices have. */
    @ParameterizedTest
    @CsvSource({"0, 64", "0 0 0 0, 16 16 16 16", "8 0 0, 8 28 28", "8 16, 8 16", "80 16, 80 16"})
    void aHostsMemoryIsPartedAmongThoseThatNameNone(String given, String budgets) {
        assertThat(Devices.withMemory(specs(given), 64L << 30)).isEqualTo(specs(budgets));
    }

    @Test
    void aHostWhoseMemoryIsAllNamedLeavesTheOthersNextToNothing() {
        assertThat(Devices.withMemory(specs("80 0"), 64L << 30))
                .containsExactly(new DeviceSpec.Cpu(1, 80L << 30), new DeviceSpec.Cpu(1, 1));
    }

    @Test
    void theBudgetsOfAProcessComeToItsHostsMemory() {
        List<Device> devices = Devices.open(specs("0 0 0"));
        long sum = devices.stream().mapToLong(Device::memory).sum();
        assertThat(HostMemory.physical() - sum).isBetween(0L, 2L);
        devices.forEach(Device::close);
    }

    private static List<DeviceSpec> specs(String gibibytes) {
        return Stream.of(gibibytes.split(" "))
                .map(g -> (DeviceSpec) new DeviceSpec.Cpu(1, Long.parseLong(g) << 30))
                .toList();
    }

    @Test
    void aDeviceOfNoThreadsIsRefused() {
        assertThatThrownBy(() -> new DeviceSpec.Cpu(0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("0 threads");
    }
}
