package org.ringworld.runtime.cpu;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.ringworld.runtime.cpu.device.CoreAffinity;
import org.ringworld.runtime.cpu.matmul.OneDnn;

/**
 * The processor this runs on, as far as it tells.
 *
 * @param model its name, or the architecture's where it has none
 * @param allowedCores cores this process may use
 * @param vectorBits width of the vectors the kernels use; 0 without the Vector API
 * @param bf16 whether it multiplies BF16 in hardware (avx512_bf16); empty where unknown
 * @param matmul what forms large products: {@code oneDNN 3.13.0}, or {@code Vector API}
 */
public record HostCpu(
        String model, int allowedCores, int vectorBits, Optional<Boolean> bf16, String matmul) {
    private static final Path CPUINFO = Path.of("/proc/cpuinfo");

    /** Asks the host. */
    public static HostCpu detect() {
        boolean vectors = CpuDevice.hasVectors();
        return new HostCpu(
                line("model name").orElse(System.getProperty("os.arch")),
                CoreAffinity.allowedCores().length,
                vectors ? VectorKernels.vectorBits() : 0,
                bf16Products(),
                vectors ? VectorKernels.matmulLibrary() : "plain Java");
    }

    /**
     * What a new thread runs that only waits and copies, on whichever core is free: one that a
     * device's thread starts would else share that one's core.
     */
    public static Runnable onAnyCore(Runnable body) {
        return () -> {
            CoreAffinity.leave();
            body.run();
        };
    }

    /**
     * Whether the processor has BF16 dot products that may be used; empty where it does not say.
     */
    static Optional<Boolean> bf16Products() {
        OneDnn library = OneDnn.loaded();
        boolean allowed = library == null || library.bf16Products();
        return line("flags")
                .map(flags -> allowed && List.of(flags.split(" ")).contains("avx512_bf16"));
    }

    private static Optional<String> line(String key) {
        try {
            List<String> lines = Files.readAllLines(CPUINFO);
            return lines.stream()
                    .filter(l -> l.startsWith(key) && l.contains(":"))
                    .map(l -> l.substring(l.indexOf(':') + 1).strip())
                    .findFirst();
        } catch (IOException e) {
            return Optional.empty();
        }
    }
}
