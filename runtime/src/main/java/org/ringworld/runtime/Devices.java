package org.ringworld.runtime;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.runtime.cpu.device.HostMemory;
import org.ringworld.runtime.cuda.CudaDevice;

/** Makes devices of their descriptions. */
public final class Devices {
    private Devices() {}

    /** Opens the only device of this process. */
    public static Device open(DeviceSpec spec) {
        return open(List.of(spec)).getFirst();
    }

    /**
     * Opens the devices of this process, in their order; where one fails, none stays open. CPUs
     * without a memory of their own have equal parts of what the others leave of the host's, ranks
     * on one card equal parts of what is free of its.
     */
    public static List<Device> open(List<DeviceSpec> specs) {
        return open(specs, Collections.nCopies(specs.size(), null));
    }

    /**
     * The same, with their kernels timed.
     *
     * @param times one for each device, or null where it is not timed
     */
    public static List<Device> open(List<DeviceSpec> specs, List<KernelTimes> times) {
        List<DeviceSpec> sized = withMemory(specs, HostMemory.physical());
        List<Device> devices = new ArrayList<>();
        try {
            for (int i = 0; i < sized.size(); i++) {
                devices.add(open(sized.get(i), sized, times.get(i)));
            }
        } catch (RuntimeException | Error e) {
            devices.forEach(Device::close);
            throw e;
        }
        return devices;
    }

    /** Gives each CPU that names none its part of the host's memory, bytes. */
    static List<DeviceSpec> withMemory(List<DeviceSpec> specs, long host) {
        List<DeviceSpec> cpus =
                specs.stream().filter(spec -> spec instanceof DeviceSpec.Cpu).toList();
        long left = host - cpus.stream().mapToLong(DeviceSpec::memory).sum();
        long open = cpus.stream().filter(spec -> spec.memory() == 0).count();
        long part = open == 0 ? 0 : Math.max(1, left / open);
        return specs.stream()
                .map(
                        spec ->
                                spec instanceof DeviceSpec.Cpu && spec.memory() == 0
                                        ? spec.withMemory(part)
                                        : spec)
                .toList();
    }

    private static Device open(DeviceSpec spec, List<DeviceSpec> all, KernelTimes times) {
        return switch (spec) {
            case DeviceSpec.Cpu cpu -> new CpuDevice(cpu, times);
            case DeviceSpec.Cuda cuda -> new CudaDevice(cuda, ranksOn(cuda.index(), all), times);
        };
    }

    private static int ranksOn(int card, List<DeviceSpec> all) {
        return (int)
                all.stream()
                        .filter(s -> s instanceof DeviceSpec.Cuda cuda && cuda.index() == card)
                        .count();
    }
}
