package org.ringworld.runtime.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * NVIDIA's run-time compiler through its C interface, of whichever version the host has. It writes
 * cubins for one architecture, which a driver of the same or a newer major version loads, or PTX,
 * which a driver as new as the compiler compiles for any newer card.
 */
final class Nvrtc implements KernelCompiler {
    private final MethodHandle create;
    private final MethodHandle destroy;
    private final MethodHandle compile;
    private final MethodHandle architectureCount;
    private final MethodHandle architectures;
    private final Result log;
    private final Result ptx;
    private final Result cubin;
    private final String version;
    private final boolean toCubin;

    /** Two functions: how long something is, and what. */
    private record Result(MethodHandle size, MethodHandle get) {
        byte[] of(MemorySegment program, Arena arena) throws Throwable {
            MemorySegment bytes = arena.allocate(JAVA_LONG);
            check((int) size.invokeExact(program, bytes), "asking for the size of its output");
            MemorySegment content = arena.allocate(Math.max(1, bytes.get(JAVA_LONG, 0)));
            check((int) get.invokeExact(program, content), "asking for its output");
            return content.toArray(JAVA_BYTE);
        }
    }

    /** All that this host has, the newest first, as compilers to cubins and to PTX. */
    static List<KernelCompiler> find() {
        List<KernelCompiler> found = new ArrayList<>();
        for (HostLibraries.Found library : HostLibraries.find("libnvrtc")) {
            try {
                loadBuiltins(library.file().toRealPath().getParent());
                SymbolLookup functions = SymbolLookup.libraryLookup(library.file(), Arena.global());
                found.add(new Nvrtc(functions, true));
                found.add(new Nvrtc(functions, false));
            } catch (Throwable e) {
                // A library that does not load, or is no NVRTC, is none.
            }
        }
        return found;
    }

    /** NVRTC asks the loader for these by name, which knows them once they are loaded. */
    private static void loadBuiltins(Path folder) throws IOException {
        try (DirectoryStream<Path> files =
                Files.newDirectoryStream(folder, "libnvrtc-builtins.so*")) {
            for (Path file : files) {
                SymbolLookup.libraryLookup(file, Arena.global());
            }
        }
    }

    private Nvrtc(SymbolLookup library, boolean toCubin) throws Throwable {
        this.toCubin = toCubin;
        create =
                bind(
                        library,
                        "nvrtcCreateProgram",
                        ADDRESS,
                        ADDRESS,
                        ADDRESS,
                        JAVA_INT,
                        ADDRESS,
                        ADDRESS);
        destroy = bind(library, "nvrtcDestroyProgram", ADDRESS);
        compile = bind(library, "nvrtcCompileProgram", ADDRESS, JAVA_INT, ADDRESS);
        architectureCount = bind(library, "nvrtcGetNumSupportedArchs", ADDRESS);
        architectures = bind(library, "nvrtcGetSupportedArchs", ADDRESS);
        log = result(library, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog");
        ptx = result(library, "nvrtcGetPTXSize", "nvrtcGetPTX");
        cubin = result(library, "nvrtcGetCUBINSize", "nvrtcGetCUBIN");
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment major = arena.allocate(JAVA_INT);
            MemorySegment minor = arena.allocate(JAVA_INT);
            check(
                    (int) bind(library, "nvrtcVersion", ADDRESS, ADDRESS).invokeExact(major, minor),
                    "asking for its version");
            version = major.get(JAVA_INT, 0) + "." + minor.get(JAVA_INT, 0);
        }
    }

    private static Result result(SymbolLookup library, String size, String get) {
        return new Result(
                bind(library, size, ADDRESS, ADDRESS), bind(library, get, ADDRESS, ADDRESS));
    }

    private static MethodHandle bind(SymbolLookup library, String name, MemoryLayout... arguments) {
        return Linker.nativeLinker()
                .downcallHandle(
                        library.findOrThrow(name), FunctionDescriptor.of(JAVA_INT, arguments));
    }

    @Override
    public String name() {
        return "NVRTC " + version + (toCubin ? "" : " (PTX)");
    }

    @Override
    public byte[] compile(
            String module, String source, Map<String, String> headers, int architecture) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment texts = arena.allocate(ADDRESS, headers.size());
            MemorySegment names = arena.allocate(ADDRESS, headers.size());
            int i = 0;
            for (var header : headers.entrySet()) {
                texts.setAtIndex(ADDRESS, i, arena.allocateFrom(header.getValue()));
                names.setAtIndex(ADDRESS, i++, arena.allocateFrom(header.getKey()));
            }
            MemorySegment out = arena.allocate(ADDRESS);
            check(
                    (int)
                            create.invokeExact(
                                    out,
                                    arena.allocateFrom(source),
                                    arena.allocateFrom(module + ".cu"),
                                    headers.size(),
                                    texts,
                                    names),
                    "taking " + module + ".cu");
            MemorySegment program = out.get(ADDRESS, 0);
            try {
                return compiled(program, module, architecture, arena);
            } finally {
                int _ = (int) destroy.invokeExact(out);
            }
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private byte[] compiled(MemorySegment program, String module, int architecture, Arena arena)
            throws Throwable {
        List<String> options = new ArrayList<>(CompiledKernels.OPTIONS);
        options.add(
                "--gpu-architecture="
                        + (toCubin ? "sm_" + architecture : "compute_" + virtual(architecture)));
        MemorySegment each = arena.allocate(ADDRESS, options.size());
        for (int i = 0; i < options.size(); i++) {
            each.setAtIndex(ADDRESS, i, arena.allocateFrom(options.get(i)));
        }
        if ((int) compile.invokeExact(program, options.size(), each) != 0) {
            String said = new String(log.of(program, arena)).replace("\0", "").strip();
            throw new CudaException(
                    "%s does not compile %s.cu for sm_%d: %s"
                            .formatted(name(), module, architecture, said));
        }
        return (toCubin ? cubin : ptx).of(program, arena);
    }

    /** The newest architecture it knows that is not newer than the card's. */
    private int virtual(int architecture) throws Throwable {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment count = arena.allocate(JAVA_INT);
            check((int) architectureCount.invokeExact(count), "asking for its architectures");
            MemorySegment known = arena.allocate(JAVA_INT, Math.max(1, count.get(JAVA_INT, 0)));
            check((int) architectures.invokeExact(known), "asking for its architectures");
            int newest = 0;
            for (int i = 0; i < count.get(JAVA_INT, 0); i++) {
                int each = known.getAtIndex(JAVA_INT, i);
                newest = each <= architecture ? Math.max(newest, each) : newest;
            }
            return newest == 0 ? architecture : newest;
        }
    }

    private static void check(int result, String what) {
        if (result != 0) {
            throw new CudaException("NVRTC: %s failed with %d".formatted(what, result));
        }
    }
}
