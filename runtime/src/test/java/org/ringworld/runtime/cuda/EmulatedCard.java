package org.ringworld.runtime.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
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

    private final EmulatedCardBuild build;
    private final SymbolLookup symbols;

    /** The card, built and loaded at the first call; without g++ the calling test is skipped. */
    public static synchronized EmulatedCard orSkip() {
        if (card == null && reason == null) {
            try {
                card = new EmulatedCard();
            } catch (EmulatedCardBuild.Unavailable e) {
                reason = e.getMessage();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
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

    /** Why the latest call or kernel failed. */
    public String lastError() {
        try {
            return ((MemorySegment) function("cuemuLastError", ADDRESS).invokeExact())
                    .reinterpret(4096)
                    .getString(0);
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    /**
     * Clears a fault, which a real card would keep until its context dies, and drops queued work.
     */
    public void reset() {
        try {
            int unused = (int) function("cuemuReset", JAVA_INT).invokeExact();
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
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

    private MethodHandle function(String name, MemoryLayout result, MemoryLayout... arguments) {
        return Linker.nativeLinker()
                .downcallHandle(
                        symbols.find(name).orElseThrow(), FunctionDescriptor.of(result, arguments));
    }
}
