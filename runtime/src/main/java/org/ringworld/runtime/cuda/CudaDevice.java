package org.ringworld.runtime.cuda;

import java.lang.foreign.MemorySegment;
import java.util.List;
import jcuda.driver.JCudaDriver;
import org.ringworld.runtime.BlockSizes;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.DeviceLostException;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Event;
import org.ringworld.runtime.KernelTimes;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Staging;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.VisionKernels;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An NVIDIA GPU, or a rank's part of one. Kernels are queued on one stream and run behind the
 * thread that drives it; nothing but {@link #copyOut}, {@link #trim} and waiting for an event waits
 * for them. Memory may be taken and freed, and events waited for, from any thread.
 */
public final class CudaDevice implements Device {
    private static final Logger LOG = LoggerFactory.getLogger(CudaDevice.class);

    /** Enough rows for every multiprocessor; logits of 256 MiB. */
    private static final BlockSizes BLOCKS = new BlockSizes(4096, 64L << 20);

    /** What is left to the driver, to libraries and to others: a twentieth, 256 MiB at least. */
    private static final long LEAST_RESERVE = 256L << 20;

    private final DeviceSpec.Cuda spec;
    private final CudaContext context;
    private final CudaQueue queue;
    private final CudaMemory memory;
    private final CudaScratch scratch;
    private final HostCopies copies;
    private final KernelLauncher launcher;
    private final CudaKernels ours;
    private final Kernels kernels;
    private final VisionKernels vision;
    private final long budget;

    /** A device that has its card for itself, for tests. */
    public CudaDevice(int index) {
        this(new DeviceSpec.Cuda(index, 0), 1, null);
    }

    /**
     * @param ranks of this process that share the card, this one among them
     * @param times of its kernels, or null
     * @throws CudaException in one sentence, if the card cannot be used
     */
    public CudaDevice(DeviceSpec.Cuda spec, int ranks, KernelTimes times) {
        this.spec = spec;
        String reason = reason(spec.index());
        if (reason != null) {
            throw new CudaException(spec.name() + " cannot be used: " + reason);
        }
        context = new CudaContext(spec.index());
        try {
            CompiledKernels compiled =
                    CompiledKernels.forCard(
                            context, CudaCard.architecture(context.device()), CudaDriver.version());
            queue = new CudaQueue(context);
            memory = new CudaMemory(context, queue);
            scratch = new CudaScratch(memory);
            copies = new HostCopies(context, queue);
            launcher = new KernelLauncher(context, queue.stream(), compiled);
            ours = new CudaKernels(this);
            kernels = times == null ? ours : times.around(ours);
            VisionKernels images = new CudaVision(this, ours);
            vision = times == null ? images : times.around(images);
            budget = spec.memory() > 0 ? spec.memory() : free() / ranks;
        } catch (RuntimeException | Error e) {
            context.close();
            throw e;
        }
    }

    private static String reason(int index) {
        if (CudaDriver.reason() != null) {
            return CudaDriver.reason();
        }
        List<CudaCard> cards = CudaCard.list();
        return index < cards.size()
                ? cards.get(index).reason()
                : "the driver sees %d card%s"
                        .formatted(cards.size(), cards.size() == 1 ? "" : "s, counted from 0");
    }

    private long free() {
        long[] free = new long[1];
        long[] total = new long[1];
        context.check(JCudaDriver.cuMemGetInfo(free, total), "asking for free memory");
        return Math.max(1, free[0] - Math.max(LEAST_RESERVE, total[0] / 20));
    }

    /** Queues a kernel; see {@link KernelLauncher#launch}. */
    void launch(String kernel, Grid grid, int block, int shared, Object... arguments) {
        launcher.launch(kernel, grid, block, shared, arguments);
    }

    /** Makes its context current on this thread. */
    void enter() {
        context.enter();
    }

    /** What its kernels are queued on. */
    CudaStream stream() {
        return queue.stream();
    }

    /** Memory for kernels that need it beside {@link #scratch}. */
    CudaScratch newScratch() {
        return new CudaScratch(memory);
    }

    /** Memory for the kernels that are queued next: {@link CudaScratch#take}. */
    MemorySegment scratch(long bytes) {
        return scratch.take(bytes);
    }

    /** Queues a copy of tensors of one size and dtype. */
    void copy(Tensor from, Tensor to) {
        context.enter();
        context.check(
                JCudaDriver.cuMemcpyDtoDAsync(
                        new DevicePointer(to.address()),
                        new DevicePointer(from.address()),
                        to.bytes(),
                        queue.stream()),
                "copying " + from);
    }

    /** Queues a copy from the host to scratch. */
    void copyIn(MemorySegment host, MemorySegment to) {
        copies.in(host, to);
    }

    /** Queues the filling of scratch. */
    void fillInts(MemorySegment memory, int value) {
        context.enter();
        context.check(
                JCudaDriver.cuMemsetD32Async(
                        new DevicePointer(memory.address()),
                        value,
                        memory.byteSize() / 4,
                        queue.stream()),
                "filling " + memory.byteSize() + " bytes");
    }

    /** Where a kernel that is about to be queued says that an id is out of range: common.cuh. */
    long faultWord() {
        return queue.faults().forKernel();
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
        return budget;
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
        scratch.trim();
        ours.trim();
        queue.drain();
    }

    @Override
    public long allocated() {
        return memory.allocated();
    }

    @Override
    public Tensor adopt(MemorySegment host, DType dtype, long... shape) {
        Tensor tensor = tensor(dtype, shape);
        try {
            copyIn(host, tensor);
            return tensor;
        } catch (RuntimeException e) {
            free(tensor);
            throw e;
        }
    }

    @Override
    public MemorySegment hostView(Tensor tensor) {
        throw new UnsupportedOperationException(
                "the host does not reach %s of %s".formatted(tensor, name()));
    }

    @Override
    public Staging staging(long most) {
        return new CudaStaging(context, most);
    }

    /** The card's: the ranks of this process on it share its primary context. */
    @Override
    public String memorySpace() {
        return context.name();
    }

    @Override
    public void copyIn(MemorySegment host, Tensor to) {
        checkSizes("copyIn", host, to);
        copies.in(host, to.memory());
    }

    @Override
    public void copyOut(Tensor from, MemorySegment host) {
        checkSizes("copyOut", host, from);
        copies.out(from.memory(), host);
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
        return queue.record();
    }

    @Override
    public void await(Event event) {
        queue.await(event);
    }

    @Override
    public long progress() {
        try {
            return launcher.launches() + queue.happened();
        } catch (DeviceLostException e) {
            return -1; // whoever drives it is told
        }
    }

    /** The thread's context is made current by what it calls first. */
    @Override
    public Thread newThread(String name, Runnable body) {
        return new Thread(body, name);
    }

    @Override
    public void close() {
        if (!context.isBroken()) {
            try {
                queue.drain();
                ours.close();
                memory.close();
                launcher.close();
                copies.close();
                queue.close();
            } catch (CudaException | DeviceLostException e) {
                LOG.warn("{} is given up: {}", name(), e.getMessage());
            }
        }
        context.close();
    }
}
