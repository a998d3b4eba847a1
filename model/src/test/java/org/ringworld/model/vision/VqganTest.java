package org.ringworld.model.vision;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.safetensors.SafeTensors;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Devices;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.runtime.cuda.TestCard;

/** LWM's golden VQGANs, and the network's own properties. */
class VqganTest {
    private static final Path SMALL = Path.of("../checkpoints/src/test/resources/golden/vqgan");

    /** Attention at one of two levels and in the middle, and a width that changes. */
    private static final VqganConfig WITH_ATTENTION =
            new VqganConfig(16, 32, List.of(1, 2), 1, Set.of(8), true, 8, 32, 4);

    @TempDir private Path tmp;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../checkpoints/src/test/resources/golden/vqgan",
                "../../shared/data/golden/vqgan"
            })
    void theGoldenCodesAreIdenticalAndTheImageIsClose(String golden) throws Exception {
        assumeTrue(Files.exists(Path.of(golden)), golden + " is not here");
        try (Device device = new CpuDevice(1)) {
            assertGolden(Path.of(golden), device);
        }
    }

    @Test
    @Tag("slow") // a card that is emulated
    void theyAreOnACard() throws Exception {
        try (Device device = Devices.open(TestCard.orSkip().getFirst())) {
            assertGolden(SMALL, device);
        }
    }

    private static void assertGolden(Path golden, Device device) throws Exception {
        try (SafeTensors expected = SafeTensors.open(golden.resolve("expected.safetensors"));
                ImageTokenizer vqgan = ImageTokenizer.open(golden, device, DType.F32)) {
            int[] codes = expected.readInts("codes");
            assertThat(vqgan.encode(expected.readFloats("image"))).isEqualTo(codes);
            assertThat(distance(vqgan.decode(codes), expected.readFloats("decoded")))
                    .isLessThan(1e-4);
        }
    }

    private static double distance(float[] a, float[] b) {
        assertThat(a).hasSameSizeAs(b);
        double most = 0;
        for (int i = 0; i < a.length; i++) {
            most = Math.max(most, Math.abs((double) a[i] - b[i]));
        }
        return most;
    }

    /** Noise in [-1, 1) that other languages make too. */
    private static float[] noise(long n, int phase, double scale) {
        float[] noise = new float[(int) n];
        for (int i = 0; i < n; i++) {
            double x = Math.sin(12.9898 * i + phase) * 43758.5453;
            noise[i] = (float) ((2 * (x - Math.floor(x)) - 1) * scale);
        }
        return noise;
    }

    /** Weights that keep what goes through them as large as it is. */
    private static void weights(TensorSpec spec, DType dtype, MemorySegment host) {
        long[] shape = spec.shape();
        double scale = shape.length == 4 ? 1.7 / Math.sqrt(shape[0] * shape[1] * shape[2]) : 1;
        float[] values = noise(spec.count(), spec.name().length(), scale);
        for (int i = 0; i < values.length; i++) {
            if (dtype == DType.F32) {
                host.setAtIndex(ValueLayout.JAVA_FLOAT, i, values[i]);
            } else {
                host.setAtIndex(ValueLayout.JAVA_SHORT, i, DType.toBf16(values[i]));
            }
        }
    }

    @Test
    void framesDoNotSeeEachOtherAndThreadsDoNotMatter() throws Exception {
        try (Device one = new CpuDevice(1);
                Device three = new CpuDevice(3);
                Vqgan a = new Vqgan(WITH_ATTENTION, VqganTest::weights, one, DType.F32);
                Vqgan b = new Vqgan(WITH_ATTENTION, VqganTest::weights, three, DType.F32)) {
            float[] images = noise(3 * a.pixels(), 0, 1);
            int[] codes = a.encode(images);
            assertThat(Arrays.stream(codes).distinct().count()).isGreaterThan(3);
            float[] decoded = b.decode(codes);
            int pixels = a.pixels();
            int tokens = a.tokens();
            for (int frame = 0; frame < 3; frame++) {
                int from = frame * pixels;
                int first = frame * tokens;
                float[] image = Arrays.copyOfRange(images, from, from + pixels);
                int[] alone = Arrays.copyOfRange(codes, first, first + tokens);
                assertThat(b.encode(image)).isEqualTo(alone);
                float[] back = Arrays.copyOfRange(decoded, from, from + pixels);
                assertThat(distance(a.decode(alone), back)).isLessThan(1e-4);
            }
        }
    }

    /** Expected values: lwm/vqgan.py's network written again with NumPy in float64. */
    @Test
    void attentionIsThatOfLwm() throws Exception {
        int[] codes = {
            19, 16, 16, 16, 16, 14, 16, 16, 16, 14, 14, 14, 16, 14, 16, 16, 14, 14, 14, 14, 14, 14,
            14, 14, 14, 16, 14, 16, 14, 14, 16, 16, 16, 16, 14, 16, 16, 14, 8, 16, 31, 14, 14, 14,
            14, 14, 16, 14, 16, 16, 16, 14, 14, 14, 31, 8, 16, 14, 14, 14, 14, 14, 16, 16, 16, 16,
            16, 16, 16, 16, 16, 16, 16, 14, 14, 14, 16, 14, 16, 16, 16, 14, 14, 14, 16, 14, 14, 14,
            14, 14, 14, 14, 31, 14, 31, 14, 16, 14, 16, 14, 14, 16, 16, 14, 14, 14, 14, 8, 14, 14,
            16, 14, 16, 14, 16, 14, 19, 14, 31, 16, 14, 16, 14, 14, 14, 14, 16, 16
        };
        float[] every131st = {
            -0.2547641f,
            0.0129562f,
            -1.0000000f,
            -0.7561090f,
            0.1449172f,
            -1.0000000f,
            -0.4203821f,
            -0.0071772f,
            -1.0000000f,
            -0.7997793f,
            -0.2061622f,
            -1.0000000f
        };
        try (Device device = new CpuDevice(1);
                Vqgan vqgan = new Vqgan(WITH_ATTENTION, VqganTest::weights, device, DType.F32);
                Vqgan half = new Vqgan(WITH_ATTENTION, VqganTest::weights, device, DType.BF16)) {
            assertThat(vqgan.encode(noise(2 * vqgan.pixels(), 0, 1))).isEqualTo(codes);
            float[] decoded = vqgan.decode(codes);
            float[] some = new float[every131st.length];
            for (int i = 0; i < some.length; i++) {
                some[i] = decoded[131 * i];
            }
            assertThat(distance(some, every131st)).isLessThan(1e-4);
            assertThat(distance(half.decode(codes), decoded)).isLessThan(0.2);
        }
    }

    @Test
    void whatIsWrittenIsReadWithTheSameSizesAndValues() throws Exception {
        Path copy = Files.createDirectories(tmp.resolve("model/vqgan"));
        try (VqganFile file = VqganFile.open(SMALL.resolve("vqgan"))) {
            ImageTokenizer.copy(file.file(), copy);
            try (VqganFile again = VqganFile.open(copy.resolve("model.safetensors"))) {
                assertThat(again.config()).isEqualTo(file.config());
            }
        }
        try (SafeTensors expected = SafeTensors.open(SMALL.resolve("expected.safetensors"));
                Device device = new CpuDevice(1);
                // The directory of the model that it was stored in stands for it.
                ImageTokenizer vqgan = ImageTokenizer.open(copy.getParent(), device, DType.F32)) {
            assertThat(vqgan.encode(expected.readFloats("image")))
                    .isEqualTo(expected.readInts("codes"));
        }
    }

    @Test
    void sizesThatTheWeightsDoNotHaveAreNamed() throws Exception {
        Path weights = Files.copy(SMALL.resolve("vqgan"), tmp.resolve("vqgan"));
        assertThatThrownBy(() -> VqganFile.open(weights))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(
                        "%s: tensor 'encoder.Conv_0.kernel' is F32 [3, 3, 3, 32] where LWM's own sizes, for want of a VQGAN's config.json beside it, ask for floats [3, 3, 3, 128]"
                                .formatted(weights));
        String config = Files.readString(SMALL.resolve("config.json"));
        assertFault(
                weights,
                config.replace("\"num_res_blocks\": 1", "\"num_res_blocks\": 2"),
                "lacks tensor");
        assertFault(weights, config.replace("  1,\n", ""), "of which the sizes in its config.json");
        assertFault(
                weights, config.replace("resolution\": 32", "resolution\": 40"), "40 cannot be");
        assertFault(weights, config.replace("64", "65"), "quantize.embeddings");
        assertFault(
                weights,
                config.replace("\"hidden_channels\": 32", "\"hidden_channels\": 33"),
                "groups");
        assertFault(weights, config.replace("32,", "\"x\","), "is not an integer");
        assertFault(weights, "{\"hidden_channels\"", "not valid JSON");
    }

    private void assertFault(Path weights, String config, String words) throws Exception {
        Files.writeString(tmp.resolve("config.json"), config);
        assertThatThrownBy(() -> VqganFile.open(weights))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining(words);
    }

    @Test
    void lwmsOwnSizesHaveItsTensorsAndTheirOperations() {
        // Counted from lwm/vqgan.py by a program of its own.
        assertThat(VqganConfig.LWM.tensors()).hasSize(277);
        assertThat(VqganConfig.LWM.grid()).isEqualTo(16);
        assertThat(VqganConfig.LWM.encodeFlops()).isEqualTo(216_604_344_320.0);
        assertThat(VqganConfig.LWM.decodeFlops()).isEqualTo(477_355_835_392.0);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void framesComeOutInTheirOrderFromAnyRing(int size) throws Exception {
        try (SafeTensors expected = SafeTensors.open(SMALL.resolve("expected.safetensors"));
                TokenizerRing ring =
                        TokenizerRing.open(
                                SMALL,
                                Collections.nCopies(size, new DeviceSpec.Cpu(1)),
                                DType.F32)) {
            float[] image = expected.readFloats("image");
            float[] grey = new float[image.length];
            List<float[]> frames = new ArrayList<>();
            for (int i = 0; i < 200; i++) {
                frames.add(i % 7 == 0 ? image : grey);
            }
            List<int[]> codes = new ArrayList<>();
            ring.encode(frames.iterator(), codes::add);
            assertThat(codes).hasSize(200);
            for (int i = 0; i < 200; i++) {
                assertThat(codes.get(i)).isEqualTo(codes.get(i % 7 == 0 ? 0 : 1));
            }
            assertThat(codes.get(0)).isEqualTo(expected.readInts("codes"));
            assertThatThrownBy(
                            () -> ring.decode(List.of(new int[] {0, 1, 64, 2}).iterator(), _ -> {}))
                    .isInstanceOf(IndexOutOfBoundsException.class);
        }
    }
}
