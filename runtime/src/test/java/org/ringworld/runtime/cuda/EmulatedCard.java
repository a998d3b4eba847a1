package org.ringworld.runtime.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;
import org.junit.jupiter.api.Assumptions;

/**
 * A CUDA card for tests: an emulated libcuda.so.1 under JCuda, whose modules are PTX, interpreted
 * on the CPU with every access checked. There is one per JVM; {@link #orSkip} must be called before
 * anything else touches JCuda, because the native library binds to whichever libcuda.so.1 the
 * process holds.
 */
public final class EmulatedCard {
    private static EmulatedCard card;
    private static String reason;
    private static IOException failure; // is not tried again by every test

    private final EmulatedCardBuild build;
    private final SymbolLookup symbols;

    /** The card, built and loaded at the first call; without g++ the calling test is skipped. */
    public static synchronized EmulatedCard orSkip() {
        if (card == null && reason == null && failure == null) {
            try {
                card = new EmulatedCard();
            } catch (EmulatedCardBuild.Unavailable e) {
                reason = e.getMessage();
            } catch (IOException e) {
                failure = e;
            }
        }
        if (failure != null) {
            throw new UncheckedIOException("The emulated card could not be built.", failure);
        }
        Assumptions.assumeTrue(card != null, reason);
        return card;
    }

    private EmulatedCard() throws IOException, EmulatedCardBuild.Unavailable {
        build = new EmulatedCardBuild();
        Path driver = build.driver();
        System.load(driver.toString());
        symbols = SymbolLookup.libraryLookup(driver, Arena.global());
        loadJCuda();
    }

    /**
     * JCuda unpacks its natives to java.io.tmpdir under fixed names, where JVMs overwrite each
     * other's: it gets a folder of its own for that moment.
     */
    private static void loadJCuda() throws IOException {
        String before = System.getProperty("java.io.tmpdir");
        Path folder = Files.createTempDirectory("jcuda");
        try {
            System.setProperty("java.io.tmpdir", folder.toString());
            JCudaDriver.setExceptionsEnabled(false);
        } finally {
            System.setProperty("java.io.tmpdir", before);
            try (Stream<Path> files = Files.list(folder)) {
                for (Path p : files.toList()) {
                    Files.delete(p);
                }
            }
            Files.delete(folder);
        }
    }

    /** Why the latest call or kernel failed: with the place in the PTX and in the source. */
    public String lastError() {
        return text(call("cuemuLastError", ADDRESS));
    }

    /**
     * Settings as at the start, no fault (which a real card would keep until its context dies),
     * nothing queued, counters at zero. Contexts and memory stay.
     */
    public void reset() {
        call("cuemuReset", JAVA_INT);
    }

    /** As reset, and all contexts end with what is in them, as if the process did. */
    public void restart() {
        call("cuemuRestart", JAVA_INT);
    }

    /**
     * Whether work runs only when somebody waits for it. Then a forgotten wait of the host shows in
     * what it reads; otherwise work runs when it is queued.
     */
    public void lazyStreams(boolean on) {
        set("lazy", on ? 1 : 0);
    }

    /** Of the order in which blocks and warps run; a fault names it. */
    public void seed(long seed) {
        set("seed", seed);
    }

    public void devices(int count) {
        set("devices", count);
    }

    /** Bytes of memory that each device has. */
    public void memory(long bytes) {
        set("memory", bytes);
    }

    /** The compute capability without its point: 80, 86, 89, 90, 100. */
    public void capability(int capability) {
        set("capability", capability);
    }

    /** 0: as many as the first card of its capability had. */
    public void multiprocessors(int count) {
        set("multiprocessors", count);
    }

    /**
     * What the driver says it is, as 12060. PTX that is newer than such a driver reads is refused.
     */
    public void driverVersion(int version) {
        set("driver", version);
    }

    /** How many instructions of warps a launch may take before it counts as an endless loop. */
    public void fuel(long warpInstructions) {
        set("fuel", warpInstructions);
    }

    /** Whether devices can reach each other's memory. */
    public void peers(boolean on) {
        set("peers", on ? 1 : 0);
    }

    /**
     * What is explained on stderr: 0 nothing, 1 faults (as at the start), 2 every refused call too.
     */
    public void trace(int level) {
        set("trace", level);
    }

    /** Counts what kernels do from now on; off, it costs nothing. */
    public void counting(boolean on) {
        set("counters", on ? 1 : 0);
    }

    public Map<String, KernelCounters> counters() {
        Map<String, KernelCounters> counters = new TreeMap<>();
        for (String line : text(call("cuemuCounters", ADDRESS)).lines().toList()) {
            int name = line.indexOf(' ');
            counters.put(line.substring(0, name), KernelCounters.parse(line.substring(name + 1)));
        }
        return counters;
    }

    /** What is allocated on a device, in bytes. */
    public long usedBytes(int device) {
        return (long) call("cuemuUsed", JAVA_LONG, device);
    }

    /**
     * The n-th next launch (from 1) fails with this error and breaks its context, e.g.
     * CUresult.CUDA_ERROR_ECC_UNCORRECTABLE.
     */
    public void failLaunch(long n, int error) {
        inject("launch", n, error);
    }

    public void failCopy(long n, int error) {
        inject("copy", n, error);
    }

    /** The n-th next allocation is refused; its context stays usable. */
    public void failAllocation(long n) {
        inject("alloc", n, CUresult.CUDA_ERROR_OUT_OF_MEMORY);
    }

    private void set(String name, long value) {
        try (Arena arena = Arena.ofConfined()) {
            int unknown = (int) call("cuemuSet", JAVA_INT, arena.allocateFrom(name), value);
            if (unknown != 0) {
                throw new IllegalArgumentException(
                        "The emulated card has no setting " + name + ".");
            }
        }
    }

    private void inject(String kind, long n, int error) {
        try (Arena arena = Arena.ofConfined()) {
            call("cuemuInject", JAVA_INT, arena.allocateFrom(kind), n, error);
        }
    }

    private static String text(Object address) {
        return ((MemorySegment) address).reinterpret(Long.MAX_VALUE).getString(0);
    }

    /** The stand-in for cuBLASLt, under the name asked for (libcublasLt.so.13). */
    public Path cublasLt(String soName) {
        try {
            return build.cublasLt(soName);
        } catch (EmulatedCardBuild.Unavailable e) {
            throw new IllegalStateException(e);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * PTX of a CUDA source, named from the repository's root, by nvcc; without nvcc the calling
     * test is skipped.
     */
    public String ptx(String source, String... options) {
        try {
            return Files.readString(build.ptx(build.repository().resolve(source), options));
        } catch (EmulatedCardBuild.Unavailable e) {
            Assumptions.abort(e.getMessage());
            throw new IllegalStateException(e);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Calls one of the emulator's own functions (driver_test.cpp). */
    private Object call(String name, MemoryLayout result, Object... arguments) {
        MemoryLayout[] layouts = new MemoryLayout[arguments.length];
        for (int i = 0; i < layouts.length; i++) {
            layouts[i] =
                    switch (arguments[i]) {
                        case Integer _ -> JAVA_INT;
                        case Long _ -> JAVA_LONG;
                        default -> ADDRESS;
                    };
        }
        try {
            return Linker.nativeLinker()
                    .downcallHandle(
                            symbols.find(name).orElseThrow(),
                            FunctionDescriptor.of(result, layouts))
                    .invokeWithArguments(arguments);
        } catch (Throwable e) {
            throw new IllegalStateException(
                    "The emulated card's function " + name + " could not be called.", e);
        }
    }
}
