package org.ringworld.runtime.cpu;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.ringworld.runtime.BlockSizes;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Event;
import org.ringworld.runtime.KernelTimes;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Staging;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.VisionKernels;
import org.ringworld.runtime.cpu.device.CoreAffinity;
import org.ringworld.runtime.cpu.device.HostMemory;
import org.ringworld.runtime.cpu.device.Scratch;
import org.ringworld.runtime.cpu.device.WorkerTeam;
import org.ringworld.runtime.cpu.matmul.OneDnn;
import org.ringworld.runtime.cpu.vision.PlainVision;
import org.ringworld.runtime.cpu.vision.VectorVision;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The CPU as a device: kernels run at once, on the calling thread and the device's own {@code
 * threads - 1} workers. Its queue is always empty, so every event has happened.
 */
public final class CpuDevice implements Device {
    private static final Logger LOG = LoggerFactory.getLogger(CpuDevice.class);
    private static final boolean VECTORS =
            ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();

    /** Logits of 64 MiB. */
    private static final BlockSizes BLOCKS = new BlockSizes(1024, 16L << 20);

    static {
        if (!VECTORS) {
            LOG.warn("no Vector API (--add-modules jdk.incubator.vector): plain, slow kernels");
        }
    }

    private final DeviceSpec.Cpu spec;
    private final HostMemory memory = new HostMemory();
    private final AtomicInteger workers = new AtomicInteger();
    private final CoreAffinity affinity;
    private final WorkerTeam team;
    private final Kernels kernels;
    private final VisionKernels vision;
    private final Runnable trim;

    /** A device of {@code threads} threads, the calling one among them, for tests and limits. */
    public CpuDevice(int threads) {
        this(new DeviceSpec.Cpu(threads), null);
    }

    /** A device whose kernels are timed, unless {@code times} is null. */
    public CpuDevice(DeviceSpec.Cpu spec, KernelTimes times) {
        this.spec = spec;
        affinity = CoreAffinity.claim(spec.threads());
        team = new WorkerTeam(spec.threads(), this::newWorker);
        Kernels ours = VECTORS ? VectorKernelsOf.device(this) : new PlainKernels();
        VisionKernels images = VECTORS ? VectorKernelsOf.vision(this, ours) : new PlainVision();
        trim = VECTORS ? VectorKernelsOf.trim(ours, images) : () -> {};
        kernels = times == null ? ours : times.around(ours);
        vision = times == null ? images : times.around(images);
    }

    private CpuDevice(Kernels kernels) {
        spec = new DeviceSpec.Cpu(1);
        affinity = CoreAffinity.none();
        team = new WorkerTeam(1, this::newWorker);
        this.kernels = kernels;
        vision = new PlainVision();
        trim = () -> {};
    }

    /** A device that runs the plain kernels, on the calling thread. */
    public static CpuDevice plain() {
        return new CpuDevice(new PlainKernels());
    }

    WorkerTeam team() {
        return team;
    }

    /** Runs {@code body} on a driving thread of this device and waits for it. */
    void runHere(Runnable body) {
        AtomicReference<Throwable> failure = new AtomicReference<>();
        Thread thread = newThread("cpu-bench", body);
        thread.setUncaughtExceptionHandler((_, e) -> failure.set(e));
        thread.start();
        try {
            thread.join();
        } catch (InterruptedException e) {
            throw new IllegalStateException("interrupted while measuring", e);
        }
        if (failure.get() != null) {
            throw new IllegalStateException("measuring failed", failure.get());
        }
    }

    /** Whether this JVM has the Vector API. */
    static boolean hasVectors() {
        return VECTORS;
    }

    /** Apart, because nothing of it may be loaded where the Vector API is missing. */
    private static final class VectorKernelsOf {
        static Kernels device(CpuDevice device) {
            Scratch scratch = new Scratch(device.memory, device.team.threads());
            return new VectorKernels(device.team, scratch, OneDnn.loaded());
        }

        static VisionKernels vision(CpuDevice device, Kernels products) {
            Scratch scratch = new Scratch(device.memory, device.team.threads());
            return new VectorVision(device.team, scratch, products);
        }

        static Runnable trim(Kernels kernels, VisionKernels vision) {
            return () -> {
                ((VectorKernels) kernels).trim();
                ((VectorVision) vision).trim();
            };
        }
    }

    private Thread newWorker(Runnable body) {
        int seat = workers.incrementAndGet();
        Thread thread = new Thread(() -> affinity.run(seat, body), "cpu-worker-" + seat);
        thread.setDaemon(true);
        return thread;
    }

    @Override
    public String name() {
        return spec.name();
    }

    @Override
    public Kernels kernels() {
        return kernels;
    }

    @Override
    public VisionKernels vision() {
        return vision;
    }

    @Override
    public long memory() {
        return spec.memory() == 0 ? HostMemory.physical() : spec.memory();
    }

    @Override
    public BlockSizes blocks() {
        return BLOCKS;
    }

    @Override
    public MemorySegment allocate(long bytes) {
        return memory.allocate(bytes);
    }

    @Override
    public void free(MemorySegment segment) {
        memory.free(segment);
    }

    @Override
    public void trim() {
        trim.run();
    }

    @Override
    public long allocated() {
        return memory.allocated();
    }

    @Override
    public Tensor adopt(MemorySegment host, DType dtype, long... shape) {
        Tensor tensor = new Tensor(this, dtype, host, shape);
        if (!host.isNative() || host.address() % dtype.bytes() != 0) {
            throw new IllegalArgumentException(
                    "adopt: %s of %s lies on the Java heap or across its elements"
                            .formatted(host, tensor));
        }
        memory.adopt(host);
        return tensor;
    }

    @Override
    public MemorySegment hostView(Tensor tensor) {
        return tensor.memory();
    }

    @Override
    public Staging staging(long most) {
        return Staging.IN_PLACE;
    }

    @Override
    public String memorySpace() {
        return "host";
    }

    @Override
    public void copyIn(MemorySegment host, Tensor to) {
        checkSizes("copyIn", host, to);
        to.memory().copyFrom(host);
    }

    @Override
    public void copyOut(Tensor from, MemorySegment host) {
        checkSizes("copyOut", host, from);
        host.copyFrom(from.memory());
    }

    private static void checkSizes(String copy, MemorySegment host, Tensor tensor) {
        if (host.byteSize() != tensor.bytes()) {
            throw new IllegalArgumentException(
                    "%s: %d bytes on the host do not fit %s"
                            .formatted(copy, host.byteSize(), tensor));
        }
    }

    @Override
    public Event record() {
        return Event.HAPPENED;
    }

    @Override
    public void await(Event event) {
        event.await();
    }

    @Override
    public long progress() {
        return team.calls();
    }

    @Override
    public Thread newThread(String name, Runnable body) {
        return new Thread(() -> affinity.run(0, body), name);
    }

    @Override
    public void close() {
        team.close();
        affinity.close();
        memory.close();
    }
}
