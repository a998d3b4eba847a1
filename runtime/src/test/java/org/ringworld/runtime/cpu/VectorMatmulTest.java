package org.ringworld.runtime.cpu;

import java.util.List;
import java.util.function.BiConsumer;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.device.HostMemory;
import org.ringworld.runtime.cpu.device.Scratch;
import org.ringworld.runtime.cpu.device.WorkerTeam;

/** Products by oneDNN, in Java, and of few rows. */
class VectorMatmulTest extends MatmulSuite {
    @Override
    protected List<DeviceSpec> devices() {
        return Parity.DEVICES;
    }

    /** In Java. */
    @Override
    protected void checkOtherwise(
            Parity p, double tolerance, BiConsumer<Kernels, List<Tensor>> kernel, Tensor result) {
        int threads = ((CpuDevice) p.device()).team().threads();
        var scratch = new Scratch(new HostMemory(), threads);
        try (var team = new WorkerTeam(threads, VectorMatmulTest::daemon)) {
            p.check(new VectorKernels(team, scratch, null), tolerance, kernel, result);
        }
    }

    private static Thread daemon(Runnable body) {
        Thread thread = new Thread(body);
        thread.setDaemon(true);
        return thread;
    }
}
