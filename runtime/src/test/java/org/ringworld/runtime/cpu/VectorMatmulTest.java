package org.ringworld.runtime.cpu;

import java.util.List;
import java.util.function.Consumer;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.cpu.device.HostMemory;
import org.ringworld.runtime.cpu.device.Scratch;
import org.ringworld.runtime.cpu.device.WorkerTeam;

/** Products by oneDNN, in Java, and of few rows. */
class VectorMatmulTest extends MatmulSuite {
    @Override
    protected List<DeviceSpec> devices() {
        return Parity.DEVICES;
    }

    /** Also in Java. */
    @Override
    protected void inEachWay(Parity p, Consumer<List<Kernels>> test) {
        int threads = ((CpuDevice) p.device()).team().threads();
        var scratch = new Scratch(new HostMemory(), threads);
        try (var team = new WorkerTeam(threads, VectorMatmulTest::daemon)) {
            Kernels inJava = new VectorKernels(team, scratch, null);
            test.accept(List.of(p.device().kernels(), inJava));
        }
    }

    private static Thread daemon(Runnable body) {
        Thread thread = new Thread(body);
        thread.setDaemon(true);
        return thread;
    }
}
