package org.ringworld.runtime.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** NVRTC's interface and where it is found, with a stand-in that calls nvcc. */
class NvrtcTest {
    private static final String LIBRARIES = "ringworld.cuda.libraries";

    @TempDir private static Path folder;

    @Test
    void theNewestLibraryComesFirstAndTheFoldersThatAreNamedBeforeAll() throws Exception {
        String before = System.getProperty(LIBRARIES);
        for (String file :
                List.of(
                        "libx.so.9",
                        "libx.so.13",
                        "libx.so.12.10.3",
                        "libx.so.12.9",
                        "libxy.so.14")) {
            Files.createFile(folder.resolve(file));
        }
        Files.createSymbolicLink(folder.resolve("libx.so.8"), Path.of("nothing"));
        System.setProperty(LIBRARIES, "/nowhere:" + folder);
        try {
            assertThat(HostLibraries.find("libx").stream().map(f -> f.file().getFileName() + ""))
                    .containsExactly("libx.so.13", "libx.so.12.10.3", "libx.so.12.9", "libx.so.9");
        } finally {
            restore(before);
        }
    }

    @Test
    void compilesWithWhatTheHostHas() throws Exception {
        Assumptions.assumeTrue(Nvcc.find().isPresent(), "no nvcc for NVRTC's stand-in to call");
        List<KernelCompiler> compilers = standIn();
        assertThat(compilers.stream().map(KernelCompiler::name))
                .startsWith("NVRTC 13.7", "NVRTC 13.7 (PTX)");
        String source = "#include \"own.cuh\"\nextern \"C\" __global__ void k(T* x) { *x = 5; }";
        Map<String, String> headers = Map.of("own.cuh", "typedef float T;");
        byte[] cubin = compilers.get(0).compile("m", source, headers, 90);
        assertThat(cubin).startsWith(0x7f, 'E', 'L', 'F');
        byte[] ptx = compilers.get(1).compile("m", source, headers, 90);
        assertThat(new String(ptx, StandardCharsets.UTF_8))
                .contains(".entry k(", ".target sm_86") // the newest that the stand-in knows
                .endsWith("\0");
        assertThatThrownBy(() -> compilers.get(1).compile("m", "int x = ;", Map.of(), 80))
                .isInstanceOf(CudaException.class)
                .hasMessageStartingWith("NVRTC 13.7 (PTX) does not compile m.cu for sm_80: ")
                .hasMessageContaining("expected an expression");
    }

    private static List<KernelCompiler> standIn() throws Exception {
        Path source = Path.of("src/test/cuda/nvrtc.cpp");
        Path library = folder.resolve("libnvrtc.so.13");
        String before = System.getProperty(LIBRARIES);
        try {
            Process compiler =
                    new ProcessBuilder(
                                    "g++",
                                    "-std=c++20",
                                    "-O1",
                                    "-fPIC",
                                    "-shared",
                                    "-o",
                                    library.toString(),
                                    source.toAbsolutePath().toString())
                            .inheritIO()
                            .start();
            assertThat(compiler.waitFor()).isZero();
            System.setProperty(LIBRARIES, folder.toString());
            return Nvrtc.find();
        } catch (IOException e) {
            Assumptions.abort("no g++ to build NVRTC's stand-in with");
            throw e;
        } finally {
            restore(before);
        }
    }

    private static void restore(String before) {
        if (before == null) {
            System.clearProperty(LIBRARIES);
        } else {
            System.setProperty(LIBRARIES, before);
        }
    }
}
