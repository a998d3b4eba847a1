package org.ringworld.runtime.cuda;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.net.URL;
import java.nio.file.Path;
import java.util.Set;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;
import org.ringworld.runtime.UserCache;

/** CUDA's driver, {@code libcuda.so.1}, loaded once through JCuda. */
final class CudaDriver {
    /** JCuda 12.6 binds what a driver of CUDA 12.0 has; memory pools and PTX 8 are there too. */
    private static final int LEAST_VERSION = 12000;

    /** After these the context is of no use: the driver returns the same for every call. */
    private static final Set<Integer> STICKY =
            Set.of(
                    CUresult.CUDA_ERROR_ECC_UNCORRECTABLE,
                    CUresult.CUDA_ERROR_NVLINK_UNCORRECTABLE,
                    CUresult.CUDA_ERROR_ILLEGAL_ADDRESS,
                    CUresult.CUDA_ERROR_LAUNCH_TIMEOUT,
                    CUresult.CUDA_ERROR_CONTEXT_IS_DESTROYED,
                    CUresult.CUDA_ERROR_ASSERT,
                    CUresult.CUDA_ERROR_HARDWARE_STACK_ERROR,
                    CUresult.CUDA_ERROR_ILLEGAL_INSTRUCTION,
                    CUresult.CUDA_ERROR_MISALIGNED_ADDRESS,
                    CUresult.CUDA_ERROR_INVALID_ADDRESS_SPACE,
                    CUresult.CUDA_ERROR_INVALID_PC,
                    CUresult.CUDA_ERROR_LAUNCH_FAILED,
                    CUresult.CUDA_ERROR_UNKNOWN);

    private static final String REASON = load();

    private CudaDriver() {}

    /** Why no card of this host can be used, in a sentence, or null where one may be. */
    static String reason() {
        return REASON;
    }

    /** What the driver is of: 13000 for CUDA 13.0. */
    static int version() {
        int[] version = new int[1];
        check(JCudaDriver.cuDriverGetVersion(version), "asking for the driver's version");
        return version[0];
    }

    static String versionName(int version) {
        return version / 1000 + "." + version % 1000 / 10;
    }

    static boolean sticky(int result) {
        return STICKY.contains(result);
    }

    /** What a result means: {@code CUDA_ERROR_INVALID_VALUE (invalid argument)}. */
    static String name(int result) {
        String[] text = new String[1];
        int known = JCudaDriver.cuGetErrorString(result, text);
        return CUresult.stringFor(result)
                + (known == CUresult.CUDA_SUCCESS && text[0] != null ? " (" + text[0] + ")" : "");
    }

    /**
     * @param what was tried: {@code "asking for the driver's version"}
     */
    static void check(int result, String what) {
        if (result != CUresult.CUDA_SUCCESS) {
            throw new CudaException("%s failed: %s".formatted(what, name(result)));
        }
    }

    private static String load() {
        if (!System.getProperty("os.name").equals("Linux")
                || !System.getProperty("os.arch").equals("amd64")) {
            return "CUDA is used on Linux x86-64 alone";
        }
        try {
            // JCuda would say the same in a page, and be unpacked for nothing.
            SymbolLookup.libraryLookup("libcuda.so.1", Arena.global());
        } catch (IllegalArgumentException e) {
            return "no NVIDIA driver: libcuda.so.1 does not load";
        }
        try {
            loadJCuda();
            int result = JCudaDriver.cuInit(0);
            if (result == CUresult.CUDA_ERROR_NO_DEVICE) {
                return "the NVIDIA driver sees no card";
            }
            if (result != CUresult.CUDA_SUCCESS) {
                return "the NVIDIA driver does not start: " + name(result);
            }
            if (version() < LEAST_VERSION) {
                return "the NVIDIA driver is of CUDA %s, older than %s"
                        .formatted(versionName(version()), versionName(LEAST_VERSION));
            }
            return null;
        } catch (UnsatisfiedLinkError | NoClassDefFoundError | ExceptionInInitializerError e) {
            return "the NVIDIA driver does not suit JCuda: "
                    + String.valueOf(e.getMessage()).lines().findFirst().orElse("it does not load");
        } catch (IOException e) {
            return "JCuda's native library cannot be unpacked into %s: %s"
                    .formatted(UserCache.folder(), e.getMessage());
        }
    }

    /**
     * JCuda unpacks its native library into java.io.tmpdir under one name for all users and
     * processes, which race. It loads what lies there already, so it is shown a folder of this
     * user's where it lies.
     */
    private static void loadJCuda() throws IOException {
        String version = "12.6.0";
        URL library =
                JCudaDriver.class.getResource(
                        "/lib/libJCudaDriver-%s-linux-x86_64.so".formatted(version));
        if (library == null) {
            throw new IOException("it is not on the class path");
        }
        Path file = UserCache.unpacked(library, "jcuda");
        String before = System.getProperty("java.io.tmpdir");
        System.setProperty("java.io.tmpdir", file.getParent().toString());
        try {
            JCudaDriver.setExceptionsEnabled(false);
        } finally {
            System.setProperty("java.io.tmpdir", before);
        }
    }
}
