package org.ringworld.checkpoints;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.checkpoints.hf.RopeScaling;
import org.ringworld.checkpoints.safetensors.SafeTensorsWriter;
import org.ringworld.checkpoints.torch.TorchZip;
import org.ringworld.runtime.DType;

/**
 * Models as PyTorch 2.13 wrote them with {@code torch.save}, or with the same weights: element i of
 * a weight is i mod 64 / 64, which every type of values holds exactly.
 */
class TorchModelTest {
    private static final LlamaConfig CONFIG =
            new LlamaConfig(16, 8, 12, 1, 4, 2, 2, 1e-6, 1e4, new RopeScaling.None(), false, 64, 0);
    private static final String INDEX = "pytorch_model.bin.index.json";

    @TempDir Path tmp;

    @BeforeEach
    void aConfigLiesBesideTheWeights() throws Exception {
        configured(false);
    }

    private void configured(boolean tied) throws Exception {
        String json = CONFIG.toJson(DType.F32);
        String tie = "\"tie_word_embeddings\" : ";
        assertThat(json).contains(tie + false);
        Files.writeString(tmp.resolve("config.json"), json.replace(tie + false, tie + tied));
    }

    private void copy(String... names) throws Exception {
        for (String name : names) {
            Path from = Resources.path("torch2.13/" + name);
            Files.copy(from, tmp.resolve(from.getFileName()));
        }
    }

    private void copyShards() throws Exception {
        copy(
                "sharded/" + INDEX,
                "sharded/pytorch_model-00001-of-00002.bin",
                "sharded/pytorch_model-00002-of-00002.bin");
    }

    private static void holdsItsWeights(Path model) throws Exception {
        try (ModelFiles files = ModelFiles.open(model)) {
            for (TensorSpec spec : LlamaTensors.of(files.config())) {
                float[] values = new float[(int) spec.count()];
                files.read(spec, DType.F32, MemorySegment.ofArray(values));
                for (int i = 0; i < values.length; i++) {
                    assertThat(values[i]).as(spec.name()).isEqualTo(i % 64 / 64f);
                }
            }
        }
    }

    /**
     * F64 under state_dict beside an optimizer, a dtype and a seed of 64 bits; F16 in protocol 4,
     * where no CRC-32 was computed; nn.Parameters, one with an attribute and one of BF16.
     */
    @ParameterizedTest
    @ValueSource(strings = {"wrapped_f64.bin", "f16_without_crc.bin", "parameters.bin"})
    void everyFormOfAFileIsRead(String name) throws Exception {
        copy(name);
        holdsItsWeights(tmp.resolve(name));
    }

    @ParameterizedTest
    @EnumSource(
            value = SourceType.class,
            names = {"F64", "F32", "F16", "BF16"})
    void everyTypeOfSafeTensorsIsRead(SourceType type) throws Exception {
        Path file = tmp.resolve("model.safetensors");
        List<SafeTensorsWriter.Entry> entries = new ArrayList<>();
        for (TensorSpec spec : LlamaTensors.of(CONFIG)) {
            entries.add(new SafeTensorsWriter.Entry(spec.name(), type, spec.shape()));
        }
        try (SafeTensorsWriter writer = SafeTensorsWriter.create(file, entries, Map.of())) {
            for (SafeTensorsWriter.Entry entry : entries) {
                writer.write(entry.name(), weight(type, (int) entry.bytes()));
            }
            writer.finish();
        }
        holdsItsWeights(tmp);
    }

    private static MemorySegment weight(SourceType type, int bytes) {
        MemorySegment weight = MemorySegment.ofArray(new byte[bytes]);
        int width = type.bits() / 8;
        for (int i = 0; i < bytes / width; i++) {
            float value = i % 64 / 64f;
            long at = (long) i * width;
            switch (type) {
                case F64 -> weight.set(Bytes.DOUBLE, at, value);
                case F32 -> weight.set(Bytes.FLOAT, at, value);
                case F16 -> weight.set(Bytes.SHORT, at, Float.floatToFloat16(value));
                default -> weight.set(Bytes.SHORT, at, DType.toBf16(value));
            }
        }
        return weight;
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aHeadMayShareTheEmbeddingsStorage(boolean tied) throws Exception {
        copy("tied.bin");
        configured(tied);
        holdsItsWeights(tmp.resolve("tied.bin"));
        try (ModelFiles files = ModelFiles.open(tmp.resolve("tied.bin"))) {
            assertThat(files.config().tieEmbeddings()).isEqualTo(tied);
        }
    }

    @Test
    void anIndexAloneDecidesOverStrayFiles() throws Exception {
        copyShards();
        Files.writeString(tmp.resolve("pytorch_model.bin"), "not a model");
        copy("tied.bin");
        Files.move(tmp.resolve("tied.bin"), tmp.resolve("pytorch_model-00003-of-00003.bin"));
        holdsItsWeights(tmp);
        holdsItsWeights(tmp.resolve(INDEX));
        assertThat(Inspection.of(tmp).format()).isEqualTo("PyTorch zip in 2 shards");
    }

    @Test
    void aMissingShardIsNamed() throws Exception {
        copyShards();
        Files.delete(tmp.resolve("pytorch_model-00002-of-00002.bin"));
        assertThatThrownBy(() -> ModelFiles.open(tmp))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("the shard pytorch_model-00002-of-00002.bin is missing");
    }

    @ParameterizedTest
    @ValueSource(strings = {"../other.bin", "/other.bin", "..", "", "sub/other.bin", "a\\\\b"})
    void aShardOutsideOfTheDirectoryIsRefused(String shard) throws Exception {
        copyShards();
        Path index = tmp.resolve(INDEX);
        String json = Files.readString(index);
        Files.writeString(index, json.replace("pytorch_model-00002-of-00002.bin", shard));
        assertThatThrownBy(() -> ModelFiles.open(tmp))
                .isInstanceOf(CheckpointException.class)
                .hasMessageStartingWith(index.toString())
                .hasMessageContaining("is not the name of a file in this directory");
    }

    @Test
    void aTensorThatItsShardDoesNotHoldIsNamed() throws Exception {
        copyShards();
        Path index = tmp.resolve(INDEX);
        String json = Files.readString(index);
        String swapped = "\"lm_head.weight\": \"pytorch_model-0000%d-of-00002.bin\"";
        assertThat(json).contains(swapped.formatted(2));
        Files.writeString(index, json.replace(swapped.formatted(2), swapped.formatted(1)));
        assertThatThrownBy(() -> ModelFiles.open(tmp))
                .hasMessageContaining("should hold tensor 'lm_head.weight' and does not");
    }

    /**
     * Bits all over the first weight, whose storage the tied head shares, and one of the pickle.
     */
    @Test
    void aFlippedBitIsAnErrorThatNamesFileAndTensor() throws Exception {
        copy("tied.bin");
        Path file = tmp.resolve("tied.bin");
        byte[] whole = Files.readAllBytes(file);
        int embedding = indexOf(whole, new byte[] {0, 0, 0, 0, 0, 0, (byte) 0x80, 0x3c}); // 1 / 64
        for (int bit = 0; bit < 16 * 8 * 32; bit += 97) {
            byte[] damaged = whole.clone();
            damaged[embedding + bit / 8] ^= (byte) (1 << bit % 8);
            Files.write(file, damaged);
            try (TorchZip zip = TorchZip.open(file)) {
                for (String name : new String[] {LlamaTensors.EMBED_TOKENS, LlamaTensors.LM_HEAD}) {
                    MemorySegment to = MemorySegment.ofArray(new float[16 * 8]);
                    assertThatThrownBy(() -> zip.read(name, DType.F32, to))
                            .isInstanceOf(CheckpointException.class)
                            .hasMessageStartingWith(file.toString())
                            .hasMessageContaining("'" + name + "' does not match its CRC-32");
                }
                zip.read(LlamaTensors.NORM, DType.F32, MemorySegment.ofArray(new float[8]));
            }
        }
        byte[] damaged = whole.clone();
        damaged[indexOf(whole, "lm_head".getBytes(StandardCharsets.UTF_8))] ^= 1;
        Files.write(file, damaged);
        assertThatThrownBy(() -> TorchZip.open(file))
                .hasMessageContaining("its pickle does not match its CRC-32");
    }

    private static int indexOf(byte[] all, byte[] part) {
        int at = 0;
        while (!Arrays.equals(all, at, at + part.length, part, 0, part.length)) {
            at++;
        }
        return at;
    }

    /** torch.save writes these by _rebuild_tensor_v3 on untyped storages. */
    @Test
    void newerElementTypesAreTellableAndNotWeights() throws Exception {
        try (TorchZip zip = TorchZip.open(Resources.path("torch2.13/new_dtypes.bin"))) {
            assertThat(Stream.of("f8", "u16", "f32").map(name -> type(zip, name)))
                    .containsExactly(SourceType.F8_E4M3, SourceType.U16, SourceType.F32);
            assertThat(zip.tensor("f8").shape()).containsExactly(2, 3);
            MemorySegment to = MemorySegment.ofArray(new float[6]);
            assertThatThrownBy(() -> zip.read("f8", DType.F32, to))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("'f8' is F8_E4M3 where F32");
        }
    }

    @Test
    void aViewYetToBeNegatedIsRefusedInsteadOfReadWithoutItsSign() {
        assertThatThrownBy(() -> TorchZip.open(Resources.path("torch2.13/negated_view.bin")))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("storage 1 is a view yet to be negated");
    }

    private static SourceType type(TorchZip zip, String name) {
        try {
            return zip.tensor(name).type();
        } catch (CheckpointException e) {
            throw new AssertionError(e);
        }
    }
}
