package org.ringworld.checkpoints;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.checkpoints.hf.HfDirectoryTest;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.checkpoints.hf.RopeScaling;
import org.ringworld.checkpoints.safetensors.SafeTensorsWriter;
import org.ringworld.runtime.DType;
import tools.jackson.databind.JsonNode;

class ModelFilesTest {
    private static final LlamaConfig SMALL = HfDirectoryTest.SMALL;

    @TempDir Path tmp;

    static Stream<JsonNode> reports() {
        return Resources.json("reports/format/sharded.expected.json").valueStream();
    }

    @ParameterizedTest
    @MethodSource("reports")
    void reportedShardsAreReadOrRefused(JsonNode report) throws Exception {
        Path dir = Resources.path("reports/format/" + report.path("dir").asString());
        if (report.path("expect").asString().equals("error")) {
            assertThatThrownBy(() -> ModelFiles.open(dir)).isInstanceOf(CheckpointException.class);
            return;
        }
        try (ModelFiles files = ModelFiles.open(dir)) {
            for (TensorSpec spec : LlamaTensors.of(files.config())) {
                float[] values = new float[(int) spec.count()];
                files.read(spec, DType.F32, MemorySegment.ofArray(values));
                assertThat(values).as(spec.name()).doesNotContain(99);
            }
        }
    }

    @Test
    void aMissingShardAndALeavingPathAreNamed() {
        assertThatThrownBy(
                        () ->
                                ModelFiles.open(
                                        Resources.path("reports/format/sharded_missing_file")))
                .hasMessageContaining("model-00002-of-00002.safetensors is missing");
        assertThatThrownBy(
                        () -> ModelFiles.open(Resources.path("reports/format/sharded_path_escape")))
                .hasMessageContaining("is not the name of a file in this directory");
    }

    @Test
    void everyMissingUnknownAndMisshapenTensorIsNamedAtOnce() throws Exception {
        Path dir = tmp.resolve("m");
        Files.createDirectories(dir);
        Files.writeString(dir.resolve("config.json"), SMALL.toJson(DType.F32));
        List<TensorSpec> specs =
                LlamaTensors.of(SMALL).stream()
                        .filter(s -> !s.name().contains("layers.1.mlp"))
                        .map(
                                s ->
                                        s.name().equals("model.norm.weight")
                                                ? new TensorSpec(s.name(), new long[] {3, 4})
                                                : s)
                        .toList();
        write(
                dir.resolve("model.safetensors"),
                specs,
                "odd",
                "model.layers.0.self_attn.rotary_emb.inv_freq");
        assertThatThrownBy(() -> ModelFiles.open(dir))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(
                        dir
                                + ": the weights do not fit config.json: missing:"
                                + " model.layers.1.mlp.gate_proj.weight,"
                                + " model.layers.1.mlp.up_proj.weight,"
                                + " model.layers.1.mlp.down_proj.weight; unknown: odd; misshapen:"
                                + " model.norm.weight [3, 4] where the config says"
                                + " model.norm.weight [12]");
    }

    @Test
    void oldConstantsAndARepeatedTiedHeadAreIgnored() throws Exception {
        LlamaConfig tied = tied();
        Path file = tmp.resolve("weights.safetensors");
        Files.writeString(tmp.resolve("config.json"), tied.toJson(DType.F32));
        List<TensorSpec> specs = LlamaTensors.of(SMALL);
        write(file, specs, "model.layers.0.self_attn.rotary_emb.inv_freq");
        try (ModelFiles files = ModelFiles.open(file)) {
            assertThat(files.config()).isEqualTo(tied);
            assertThat(files.directory()).isEqualTo(tmp.toAbsolutePath());
        }
        HfDirectoryTest.write(tmp.resolve("untied"), SMALL, DType.F32, 1 << 20, 1);
        Files.writeString(tmp.resolve("untied/config.json"), tied.toJson(DType.F32));
        assertThatThrownBy(() -> ModelFiles.open(tmp.resolve("untied")))
                .hasMessageContaining("unknown: lm_head.weight");
    }

    @Test
    void aDamagedIndexGivesASentence() throws Exception {
        HfDirectoryTest.write(tmp.resolve("m"), SMALL, DType.F32, 1500, 1);
        Path index = tmp.resolve("m").resolve(WeightFiles.INDEX);
        byte[] whole = Files.readAllBytes(index);
        Random random = new Random(8);
        for (int i = 0; i < 200; i++) {
            byte[] damaged = whole.clone();
            damaged[random.nextInt(damaged.length)] ^= (byte) (1 << random.nextInt(8));
            if (i % 2 == 0) {
                damaged = Arrays.copyOf(damaged, random.nextInt(damaged.length));
            }
            Files.write(index, damaged);
            Throwable fault = catchThrowable(() -> ModelFiles.open(tmp.resolve("m")).close());
            assertThat(fault == null || fault instanceof CheckpointException).isTrue();
        }
    }

    @Test
    void withoutAConfigSizesComeFromTheTensors() throws Exception {
        HfDirectoryTest.write(tmp.resolve("m"), SMALL, DType.F32, 1 << 20, 1);
        Files.delete(tmp.resolve("m/config.json"));
        Path file = tmp.resolve("m/model.safetensors");
        assertThatThrownBy(() -> ModelFiles.open(file)).hasMessageContaining("give model.numHeads");
        ModelFiles.Constants constants = new ModelFiles.Constants(4, 5e5, 1e-5);
        try (ModelFiles files = ModelFiles.open(file, constants)) {
            assertThat(files.config()).isEqualTo(SMALL.withMaxPositionEmbeddings(2048));
        }
        assertThatThrownBy(() -> ModelFiles.open(file, new ModelFiles.Constants(5, 1e4, 1e-6)))
                .hasMessageContaining("do not fit model.numHeads = 5");
    }

    private static LlamaConfig tied() {
        return new LlamaConfig(
                37, 12, 20, 3, 4, 2, 6, 1e-5, 5e5, new RopeScaling.None(), true, 128, 0);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "pytorch_model.bin|zip directory is missing",
                "pytorch_model.bin.index.json|holds no JSON object",
                "params|holds no parameters",
                "pytorch_model-00001-of-00002.bin|shards of a model but not their pytorch",
                "model-00001-of-00002.safetensors|shards of a model but not their",
                "README.md|holds no model",
            })
    void whatIsNotReadIsSaidInASentence(String nameAndWords) throws Exception {
        String[] parts = nameAndWords.split("\\|");
        Files.writeString(tmp.resolve(parts[0]), "");
        Files.writeString(tmp.resolve("config.json"), SMALL.toJson(DType.F32));
        assertThatThrownBy(() -> ModelFiles.open(tmp)).hasMessageContaining(parts[1]);
        assertThatThrownBy(() -> ModelFiles.open(tmp.resolve("nowhere")))
                .hasMessageContaining("there is no such model");
    }

    /** Zeros for everything, extra tensors of shape [2]. */
    private static void write(Path file, List<TensorSpec> specs, String... extra) throws Exception {
        List<SafeTensorsWriter.Entry> entries = new ArrayList<>();
        specs.forEach(
                s -> entries.add(new SafeTensorsWriter.Entry(s.name(), SourceType.F32, s.shape())));
        for (String name : extra) {
            entries.add(new SafeTensorsWriter.Entry(name, SourceType.F32, new long[] {2}));
        }
        try (SafeTensorsWriter writer = SafeTensorsWriter.create(file, entries, Map.of())) {
            for (SafeTensorsWriter.Entry entry : entries) {
                writer.write(entry.name(), MemorySegment.ofArray(new byte[(int) entry.bytes()]));
            }
            writer.finish();
        }
    }
}
