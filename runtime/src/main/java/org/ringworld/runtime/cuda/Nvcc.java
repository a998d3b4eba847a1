package org.ringworld.runtime.cuda;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** The toolkit's compiler, where one is installed: it writes PTX. */
record Nvcc(Path program, String name) implements KernelCompiler {
    private static final Pattern RELEASE = Pattern.compile("release ([0-9.]+)");

    /** The one that is on the path, or in the toolkit's folder. */
    static Optional<Nvcc> find() {
        String path = System.getenv().getOrDefault("PATH", "");
        return Stream.concat(
                        Stream.of("CUDA_HOME", "CUDA_PATH")
                                .map(System::getenv)
                                .filter(folder -> folder != null && !folder.isBlank())
                                .map(folder -> Path.of(folder, "bin")),
                        Stream.concat(
                                Arrays.stream(path.split(":"))
                                        .filter(folder -> !folder.isBlank())
                                        .map(Path::of),
                                Stream.of(Path.of("/usr/local/cuda/bin"))))
                .map(folder -> folder.resolve("nvcc"))
                .filter(Files::isExecutable)
                .findFirst()
                .flatMap(Nvcc::of);
    }

    private static Optional<Nvcc> of(Path program) {
        Matcher release = RELEASE.matcher(run(List.of(program.toString(), "--version")));
        return release.find()
                ? Optional.of(new Nvcc(program, "nvcc " + release.group(1)))
                : Optional.empty();
    }

    @Override
    public byte[] compile(
            String module, String source, Map<String, String> headers, int architecture) {
        try {
            Path folder = Files.createTempDirectory("ringworld-nvcc");
            try {
                Path file = Files.writeString(folder.resolve(module + ".cu"), source);
                for (var header : headers.entrySet()) {
                    Files.writeString(folder.resolve(header.getKey()), header.getValue());
                }
                Path ptx = folder.resolve(module + ".ptx");
                List<String> command = new ArrayList<>(List.of(program.toString(), "-ptx"));
                command.add("-arch=compute_" + architecture);
                command.addAll(CompiledKernels.OPTIONS);
                command.addAll(List.of("-o", ptx.toString(), file.toString()));
                String said = run(command);
                if (!Files.exists(ptx)) {
                    throw new CudaException(
                            "%s does not compile %s.cu: %s".formatted(name, module, said));
                }
                byte[] text = Files.readAllBytes(ptx);
                return Arrays.copyOf(text, text.length + 1); // the driver reads up to a NUL
            } finally {
                delete(folder);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String run(List<String> command) {
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            process.getOutputStream().close();
            String said = new String(process.getInputStream().readAllBytes());
            process.waitFor();
            return said;
        } catch (IOException e) {
            return e.getMessage();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CudaException("interrupted while " + command.getFirst() + " runs", e);
        }
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(folder);
    }
}
