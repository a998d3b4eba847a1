package org.ringworld.runtime.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the real assembler makes of the kernels, for every kind of card they are meant for. */
class KernelResourcesTest {
    static final List<Integer> ARCHITECTURES = List.of(80, 90, 100);

    @Test
    void noKernelSpillsOrHasAStackFrame(@TempDir Path folder) {
        Path nvcc = Nvcc.find().map(Nvcc::program).orElse(null);
        Assumptions.assumeTrue(nvcc != null, "no nvcc to compile the kernels with");
        Map<String, String> said =
                KernelSources.MODULES.parallelStream()
                        .collect(Collectors.toMap(m -> m, m -> assembled(nvcc, m, folder)));
        said.forEach(
                (module, text) -> {
                    String file = module + ".cu:\n" + text;
                    List<String> frames =
                            text.lines()
                                    .filter(line -> line.contains("bytes stack frame"))
                                    .toList();
                    long kernels = KernelSources.of(module).lines().filter(this::declares).count();
                    assertThat(kernels).as(file).isPositive();
                    assertThat(frames.size())
                            .as(file)
                            .isGreaterThanOrEqualTo((int) kernels * ARCHITECTURES.size());
                    assertThat(frames)
                            .as(file)
                            .allMatch(
                                    line ->
                                            line.strip()
                                                    .equals(
                                                            "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads"));
                });
    }

    private boolean declares(String line) {
        return line.contains("__global__");
    }

    /** What ptxas says of a module's kernels for each architecture. */
    static String assembled(Path nvcc, String module, Path folder) {
        try {
            Path own = Files.createDirectories(folder.resolve(module));
            Files.writeString(own.resolve(module + ".cu"), KernelSources.of(module));
            for (var header : KernelSources.headers(module).entrySet()) {
                Files.writeString(own.resolve(header.getKey()), header.getValue());
            }
            List<String> command =
                    new ArrayList<>(List.of(nvcc.toString(), "-fatbin", "-Xptxas", "-v"));
            for (int each : ARCHITECTURES) {
                command.add("-gencode=arch=compute_%d,code=sm_%d".formatted(each, each));
            }
            command.addAll(CompiledKernels.OPTIONS);
            command.addAll(
                    List.of("-o", own + "/out.fatbin", own.resolve(module + ".cu").toString()));
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            String said = new String(process.getInputStream().readAllBytes());
            assertThat(process.waitFor()).as(said).isZero();
            return said;
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
