package org.ringworld.runtime.cuda;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Stream;

/**
 * Builds the emulated card's libraries and compiles kernels, into runtime/target/emulated-card and
 * only what is older than its sources. JVMs that do so at once take turns; whatever is finished
 * comes into its place by a rename, so that nobody loads half of it.
 */
final class EmulatedCardBuild {
    private static final String[] CXX = {
        "g++",
        "-std=c++20",
        "-fPIC",
        "-fvisibility=hidden",
        "-fwrapv",
        "-fno-math-errno",
        "-march=native",
        "-Wall",
        "-Wextra",
        "-Wno-unused-parameter",
    };

    /** No compiler, or no sources: a reason to skip, not to fail. */
    static final class Unavailable extends Exception {
        private static final long serialVersionUID = 1;

        Unavailable(String reason) {
            super(reason);
        }
    }

    private final Path repository;
    private final Path sources;
    private final Path target;
    private final Path work;

    EmulatedCardBuild() throws Unavailable {
        Path folder = Path.of("").toAbsolutePath();
        while (folder != null
                && !Files.isDirectory(folder.resolve("runtime/src/test/cuda/emulator"))) {
            folder = folder.getParent();
        }
        if (folder == null) {
            throw new Unavailable(
                    "the emulated card's sources (runtime/src/test/cuda/emulator) are not above the working directory");
        }
        repository = folder;
        sources = folder.resolve("runtime/src/test/cuda/emulator");
        target = folder.resolve("runtime/target/emulated-card");
        work = target.resolve("build");
    }

    Path repository() {
        return repository;
    }

    /** The emulated driver, libcuda.so.1. */
    Path driver() throws IOException, Unavailable {
        require("g++", "the emulated card");
        return locked(
                () -> {
                    List<Path> objects =
                            compile("missing", "card", "driver", "ptx", "vm_[a-h]", "vm_[i-z]");
                    return link("libcuda.so.1", "libcuda.so.1", objects, List.of());
                });
    }

    /**
     * The stand-in for cuBLASLt, e.g. libcublasLt.so.13: it takes its memory and streams from the
     * emulated driver.
     */
    Path cublasLt(String soName) throws IOException, Unavailable {
        Path driver = driver();
        return locked(() -> link(soName, soName, compile("cublaslt"), List.of(driver.toString())));
    }

    /** Compiles a CUDA source to PTX by nvcc. Options are nvcc's, such as -DBUG_NO_BARRIER. */
    Path ptx(Path source, String... options) throws IOException, Unavailable {
        require("nvcc", "kernels for the emulated card");
        String name = source.getFileName().toString().replaceFirst("\\.cu$", "");
        String key =
                HexFormat.of()
                        .toHexDigits(
                                (source.toAbsolutePath() + String.join(" ", options)).hashCode());
        Path out = target.resolve("ptx").resolve(name + "-" + key + ".ptx");
        return locked(
                () -> {
                    if (!olderThan(out, Files.getLastModifiedTime(source))
                            && !olderThan(out, newest(source.getParent(), ".cuh", ".h"))) {
                        return out;
                    }
                    Files.createDirectories(out.getParent());
                    Path fresh = out.resolveSibling(out.getFileName() + ".new");
                    List<String> command =
                            new ArrayList<>(
                                    List.of(
                                            "nvcc",
                                            "-ptx",
                                            "-lineinfo",
                                            "-I" + source.getParent(),
                                            "-o",
                                            fresh.toString(),
                                            source.toString()));
                    if (Stream.of(options).noneMatch(o -> o.startsWith("-arch"))) {
                        command.add("-arch=sm_80");
                    }
                    command.addAll(List.of(options));
                    run(Map.of(fresh, command));
                    return move(fresh, out);
                });
    }

    /** Sources with one of these beginnings are compiled as one, which takes half the time. */
    private List<Path> compile(String... units) throws IOException {
        Files.createDirectories(work);
        FileTime headers = newest(sources, ".h");
        List<Path> objects = new ArrayList<>();
        Map<Path, List<String>> commands = new LinkedHashMap<>();
        for (String unit : units) {
            Path object = work.resolve(unit + ".o");
            Path together = work.resolve(unit + ".cpp");
            StringBuilder text = new StringBuilder("// " + String.join(" ", CXX) + "\n");
            FileTime changed = headers;
            try (Stream<Path> files = Files.list(sources)) {
                for (Path source :
                        files.filter(p -> p.getFileName().toString().matches(unit + ".*\\.cpp"))
                                .sorted()
                                .toList()) {
                    FileTime t = Files.getLastModifiedTime(source);
                    changed = t.compareTo(changed) > 0 ? t : changed;
                    text.append("#include \"").append(source).append("\"\n");
                }
            }
            objects.add(object);
            boolean same = Files.exists(together) && Files.readString(together).contentEquals(text);
            if (!same || olderThan(object, changed)) {
                Files.writeString(together, text);
                List<String> command = new ArrayList<>(List.of(CXX));
                command.addAll(List.of("-c", together.toString(), "-o", object.toString()));
                command.add(unit.startsWith("vm") || unit.equals("cublaslt") ? "-O3" : "-O1");
                commands.put(object, command);
            }
        }
        run(commands);
        return objects;
    }

    private Path link(String name, String soName, List<Path> objects, List<String> libraries)
            throws IOException {
        Path library = target.resolve(name);
        FileTime changed = FileTime.fromMillis(0);
        for (Path object : objects) {
            FileTime t = Files.getLastModifiedTime(object);
            changed = t.compareTo(changed) > 0 ? t : changed;
        }
        if (olderThan(library, changed)) {
            Path fresh = work.resolve(name + ".new");
            List<String> command =
                    new ArrayList<>(
                            List.of(
                                    "g++",
                                    "-shared",
                                    "-Wl,-soname," + soName,
                                    "-o",
                                    fresh.toString()));
            objects.forEach(o -> command.add(o.toString()));
            command.addAll(libraries);
            run(Map.of(fresh, command));
            move(fresh, library);
        }
        return library;
    }

    private static Path move(Path from, Path to) throws IOException {
        Files.setLastModifiedTime(from, FileTime.fromMillis(System.currentTimeMillis()));
        return Files.move(
                from, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    private static boolean olderThan(Path file, FileTime time) throws IOException {
        return !Files.exists(file) || Files.getLastModifiedTime(file).compareTo(time) < 0;
    }

    private static FileTime newest(Path folder, String... endings) throws IOException {
        FileTime newest = FileTime.fromMillis(0);
        try (Stream<Path> files = Files.list(folder)) {
            for (Path p :
                    files.filter(p -> Stream.of(endings).anyMatch(p.toString()::endsWith))
                            .toList()) {
                FileTime t = Files.getLastModifiedTime(p);
                newest = t.compareTo(newest) > 0 ? t : newest;
            }
        }
        return newest;
    }

    private <T> T locked(Callable<T> action) throws IOException {
        Files.createDirectories(target);
        synchronized (EmulatedCardBuild.class) {
            try (FileChannel lock =
                    FileChannel.open(
                            target.resolve("lock"),
                            StandardOpenOption.CREATE,
                            StandardOpenOption.WRITE)) {
                lock.lock(); // until the channel is closed
                return action.call();
            } catch (IOException | RuntimeException e) {
                throw e;
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }
    }

    /** Runs all commands at once; a failure is an error with the compiler's own words. */
    private static void run(Map<Path, List<String>> commands) throws IOException {
        Map<Path, Process> running = new LinkedHashMap<>();
        for (var c : commands.entrySet()) {
            Path log = Path.of(c.getKey() + ".log");
            running.put(
                    c.getKey(),
                    new ProcessBuilder(c.getValue())
                            .redirectErrorStream(true)
                            .redirectOutput(log.toFile())
                            .start());
        }
        String failure = null;
        for (var r : running.entrySet()) {
            Path log = Path.of(r.getKey() + ".log");
            try {
                if (r.getValue().waitFor() != 0) {
                    Files.deleteIfExists(r.getKey());
                    failure =
                            String.join(" ", commands.get(r.getKey()))
                                    + "\n"
                                    + Files.readString(log, StandardCharsets.UTF_8);
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IOException("interrupted while compiling", e);
            }
        }
        if (failure != null) {
            throw new IOException(failure);
        }
    }

    private static void require(String program, String what) throws Unavailable {
        for (String folder : System.getenv("PATH").split(":")) {
            if (Files.isExecutable(Path.of(folder, program))) {
                return;
            }
        }
        throw new Unavailable(
                program + " is not on the PATH, and " + what + " cannot be built without it");
    }
}
