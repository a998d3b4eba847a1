package org.ringworld.checkpoints.lwm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.Resources;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.runtime.DType;
import tools.jackson.databind.JsonNode;

class LwmStreamTest {
    private static final JsonNode REPORT = Resources.json("reports/format/lwm/expected.json");

    @TempDir Path tmp;

    private Path withConfig(String file) throws Exception {
        Files.writeString(tmp.resolve("config.json"), REPORT.path("config").toString());
        Path from = Resources.path("reports/format/lwm/" + file);
        return Files.copy(from, tmp.resolve(file));
    }

    private static float[] floats(ModelFiles files, TensorSpec spec) throws Exception {
        float[] values = new float[(int) spec.count()];
        files.read(spec, DType.F32, MemorySegment.ofArray(values));
        return values;
    }

    @Test
    void layersOneByOneAndStackedAreTheSameWeights() throws Exception {
        try (ModelFiles layers = ModelFiles.open(withConfig("streaming_params_layers"));
                ModelFiles stacked = ModelFiles.open(withConfig("streaming_params_bf16"))) {
            assertThat(layers.dtype()).isEqualTo(DType.F32);
            assertThat(stacked.dtype()).isEqualTo(DType.BF16);
            for (TensorSpec spec : LlamaTensors.of(layers.config())) {
                float[] rounded = floats(layers, spec);
                for (int i = 0; i < rounded.length; i++) {
                    rounded[i] = DType.fromBf16(DType.toBf16(rounded[i]));
                }
                assertThat(floats(stacked, spec)).as(spec.name()).isEqualTo(rounded);
            }
        }
    }

    /**
     * Row h·D + 2i + j of JAX's heads is row h·D + j·D/2 + i of ours; [in, out] turns [out, in].
     */
    @Test
    void rowsOfQueriesAndKeysAreReorderedAndOfNothingElse() throws Exception {
        Path file = withConfig("streaming_params_layers");
        try (LwmStream inOrder = LwmStream.open(file, 4);
                LwmStream oneHead = LwmStream.open(file, 12)) { // pairs of 2 stay where they are
            for (String part : new String[] {"q_proj", "k_proj", "v_proj"}) {
                String name = LlamaTensors.layer(1, "self_attn." + part);
                float[] ours = new float[24 * 24];
                float[] jax = new float[24 * 24];
                inOrder.read(name, DType.F32, MemorySegment.ofArray(ours));
                oneHead.read(name, DType.F32, MemorySegment.ofArray(jax));
                for (int row = 0; row < 24; row++) {
                    int inHead = row % 6;
                    int from = row - inHead + inHead % 3 * 2 + inHead / 3;
                    int expected = part.equals("v_proj") ? row : from;
                    for (int i = 0; i < 24; i++) {
                        assertThat(ours[row * 24 + i]).isEqualTo(jax[expected * 24 + i]);
                    }
                }
            }
        }
    }

    /** Written by flax 0.12: maps in maps, layers on axis 1, arrays in chunks of 1000 bytes. */
    @Test
    void flaxsMapsAndLayersOnTheSecondAxisAreTheSameWeights() throws Exception {
        Path maps = Resources.path("flax/flax_params");
        Path flax = Files.copy(maps, tmp.resolve("flax_params"));
        try (ModelFiles records = ModelFiles.open(withConfig("streaming_params_bf16"));
                ModelFiles nested = ModelFiles.open(flax)) {
            for (TensorSpec spec : LlamaTensors.of(records.config())) {
                assertThat(floats(nested, spec)).as(spec.name()).isEqualTo(floats(records, spec));
            }
        }
    }

    @Test
    void aStreamWithoutConfigTakesItsSizesFromTheTensors() throws Exception {
        Path file = withConfig("streaming_params_bf16");
        LlamaConfig config = LlamaConfig.fromJson(tmp.resolve("config.json"));
        Files.delete(tmp.resolve("config.json"));
        assertThatThrownBy(() -> ModelFiles.open(file)).hasMessageContaining("model.numHeads");
        ModelFiles.Constants constants = new ModelFiles.Constants(4, 5e7, 1e-5);
        try (ModelFiles files = ModelFiles.open(file, constants)) {
            assertThat(files.config()).isEqualTo(config.withMaxPositionEmbeddings(2048));
        }
    }

    @Test
    void aTruncatedStreamIsRefused() throws Exception {
        Path file = withConfig("streaming_params_truncated");
        assertThatThrownBy(() -> ModelFiles.open(file))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("ends inside the record at byte");
    }

    @Test
    void theGoldenModelHasItsVisionTables() throws Exception {
        Path golden = Resources.path("golden/lwm-jax");
        try (ModelFiles files = ModelFiles.open(golden)) {
            assertThat(files.config().visionVocabSize()).isEqualTo(8448);
            for (TensorSpec spec : LlamaTensors.of(files.config())) {
                assertThat(floats(files, spec)).hasSize((int) spec.count());
            }
        }
    }
}
