package org.ringworld.runtime.cuda;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import jcuda.driver.CUmodule;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;
import org.ringworld.runtime.UserCache;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Kernels compiled for a card: kept in memory, and as files of this user's cache, one a module,
 * named by everything that they depend on. A file begins with the checksum of the rest.
 */
final class CompiledKernels {
    private static final Logger LOG = LoggerFactory.getLogger(CompiledKernels.class);

    /** For every compiler. A kernel adds and multiplies as it is written, rounding as IEEE does. */
    static final List<String> OPTIONS = List.of("--std=c++17", "-lineinfo");

    /** The first that a driver reads the code of is used: the host's NVRTCs, then nvcc. */
    private static final List<KernelCompiler> COMPILERS =
            Stream.concat(Nvrtc.find().stream(), Nvcc.find().stream()).toList();

    /** The driver cannot use the code, but another compiler's it may. */
    private static final Set<Integer> UNREADABLE =
            Set.of(
                    CUresult.CUDA_ERROR_INVALID_IMAGE,
                    CUresult.CUDA_ERROR_NO_BINARY_FOR_GPU,
                    CUresult.CUDA_ERROR_INVALID_PTX,
                    CUresult.CUDA_ERROR_UNSUPPORTED_PTX_VERSION);

    private static final int DIGEST = 32;

    /** What was found to be right for a card; devices are opened again and again in a process. */
    private record Card(String name, int architecture, int driver) {}

    private static final Map<Card, CompiledKernels> FOUND = new ConcurrentHashMap<>();
    private static final Map<String, byte[]> IN_MEMORY = new ConcurrentHashMap<>();

    private final KernelCompiler compiler;
    private final int architecture;
    private final int driver;

    /**
     * @param architecture of the card: 90 for a Hopper
     * @param driver its version: 13000
     */
    private CompiledKernels(KernelCompiler compiler, int architecture, int driver) {
        this.compiler = compiler;
        this.architecture = architecture;
        this.driver = driver;
    }

    /** Names of the compilers of this host, in the order in which they are tried. */
    static List<String> compilers() {
        return COMPILERS.stream().map(KernelCompiler::name).toList();
    }

    /** Why kernels cannot be compiled here, in a sentence, or null. */
    static String reason() {
        return COMPILERS.isEmpty()
                ? "neither NVRTC (libnvrtc.so) nor nvcc is found to compile its kernels with;"
                        + " RINGWORLD_CUDA_LIBRARIES may name NVRTC's folder"
                : null;
    }

    /**
     * All kernels, compiled for a card by a compiler whose code the driver reads.
     *
     * @throws CudaException in one sentence where there is none
     */
    static CompiledKernels forCard(CudaContext context, int architecture, int driver) {
        return FOUND.computeIfAbsent(
                new Card(context.name(), architecture, driver),
                card -> find(context, card.architecture, card.driver));
    }

    private static CompiledKernels find(CudaContext context, int architecture, int driver) {
        if (reason() != null) {
            throw new CudaException(context.name() + " cannot be used: " + reason());
        }
        List<String> refused = new ArrayList<>();
        for (KernelCompiler compiler : COMPILERS) {
            CompiledKernels kernels = new CompiledKernels(compiler, architecture, driver);
            int result = kernels.tried(context);
            if (result == CUresult.CUDA_SUCCESS) {
                KernelSources.MODULES.parallelStream().forEach(kernels::code);
                return kernels;
            }
            refused.add("%s (%s)".formatted(compiler.name(), CudaDriver.name(result)));
        }
        throw new CudaException(
                "%s cannot be used: the driver, of CUDA %s, does not read the code of %s; a newer driver or an older NVRTC is needed"
                        .formatted(
                                context.name(),
                                CudaDriver.versionName(driver),
                                String.join(" or ", refused)));
    }

    /** What the driver says of a module. */
    private int tried(CudaContext context) {
        context.enter();
        CUmodule module = new CUmodule();
        int result;
        try {
            result = JCudaDriver.cuModuleLoadData(module, code(KernelSources.MODULES.getFirst()));
        } catch (CudaException e) {
            LOG.warn("{}", e.getMessage());
            return CUresult.CUDA_ERROR_NO_BINARY_FOR_GPU;
        }
        if (result == CUresult.CUDA_SUCCESS) {
            JCudaDriver.cuModuleUnload(module);
        } else if (!UNREADABLE.contains(result)) {
            context.check(result, "loading a kernel");
        }
        return result;
    }

    /** A module's code, compiled now if no cache has it. */
    byte[] code(String module) {
        String source = KernelSources.of(module);
        Map<String, String> headers = KernelSources.headers(module);
        String key = key(source, headers);
        return IN_MEMORY.computeIfAbsent(key, _ -> cached(module, key, source, headers));
    }

    private byte[] cached(String module, String key, String source, Map<String, String> headers) {
        Path file = UserCache.folder().resolve("cuda").resolve(module + "-" + key + ".bin");
        byte[] code = read(file);
        if (code == null) {
            long start = System.nanoTime();
            code = compiler.compile(module, source, headers, architecture);
            LOG.info(
                    "compiled {}.cu with {} in {} ms",
                    module,
                    compiler.name(),
                    (System.nanoTime() - start) / 1_000_000);
            write(file, code);
        }
        return code;
    }

    private String key(String source, Map<String, String> headers) {
        MessageDigest digest = sha256();
        for (String part :
                List.of(
                        source,
                        headers.toString(),
                        OPTIONS.toString(),
                        compiler.name(),
                        "sm_" + architecture,
                        "driver " + driver)) {
            digest.update(part.getBytes(StandardCharsets.UTF_8));
            digest.update((byte) 0);
        }
        return HexFormat.of().formatHex(digest.digest(), 0, 16);
    }

    /** The code of a file, or null where there is none that is whole. */
    static byte[] read(Path file) {
        try {
            if (!Files.exists(file)) {
                return null;
            }
            byte[] bytes = Files.readAllBytes(file);
            if (bytes.length > DIGEST) {
                byte[] code = Arrays.copyOfRange(bytes, DIGEST, bytes.length);
                if (Arrays.equals(sha256().digest(code), Arrays.copyOf(bytes, DIGEST))) {
                    return code;
                }
            }
            LOG.warn("{} is damaged; its kernels are compiled anew", file);
        } catch (IOException e) {
            LOG.warn("{} cannot be read ({}); its kernels are compiled anew", file, e.getMessage());
        }
        return null;
    }

    static void write(Path file, byte[] code) {
        ByteBuffer bytes = ByteBuffer.allocate(DIGEST + code.length);
        bytes.put(sha256().digest(code)).put(code);
        try {
            UserCache.write(file, new ByteArrayInputStream(bytes.array()));
        } catch (IOException e) {
            LOG.warn("compiled kernels are not kept: {}", e.toString());
        }
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e); // every JDK has it
        }
    }
}
