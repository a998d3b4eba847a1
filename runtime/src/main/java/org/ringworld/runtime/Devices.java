package org.ringworld.runtime;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.ringworld.runtime.cpu.CpuDevice;

/** Makes devices of their descriptions. */
public final class Devices {
    private Devices() {}

    /** Opens the only device of this process. */
    public static Device open(DeviceSpec spec) {
        return open(List.of(spec)).getFirst();
    }

    /** Opens the devices of this process, in their order; where one fails, none stays open. */
    public static List<Device> open(List<DeviceSpec> specs) {
        return open(specs, Collections.nCopies(specs.size(), null));
    }

    /**
     * The same, with their kernels timed.
     *
     * @param times one for each device, or null where it is not timed
     */
    public static List<Device> open(List<DeviceSpec> specs, List<KernelTimes> times) {
        List<Device> devices = new ArrayList<>();
        try {
            for (int i = 0; i < specs.size(); i++) {
                devices.add(open(specs.get(i), times.get(i)));
            }
        } catch (RuntimeException | Error e) {
            devices.forEach(Device::close);
            throw e;
        }
        return devices;
    }

    private static Device open(DeviceSpec spec, KernelTimes times) {
        return switch (spec) {
            case DeviceSpec.Cpu cpu -> new CpuDevice(cpu, times);
        };
    }
}
