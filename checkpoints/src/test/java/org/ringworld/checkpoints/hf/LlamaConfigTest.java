package org.ringworld.checkpoints.hf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.runtime.DType;

class LlamaConfigTest {
    private static final String SIZES =
            "\"vocab_size\": 64, \"hidden_size\": 32, \"intermediate_size\": 40,"
                    + " \"num_hidden_layers\": 2, \"num_attention_heads\": 4";

    @TempDir Path tmp;

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16"})
    void whatIsWrittenIsReadBack(DType dtype) throws Exception {
        for (RopeScaling scaling :
                new RopeScaling[] {
                    new RopeScaling.None(),
                    new RopeScaling.Linear(4),
                    new RopeScaling.Llama3(8, 1, 4, 8192),
                    new RopeScaling.Yarn(16, 4096, 30, 2, 1.25, false)
                }) {
            LlamaConfig config =
                    new LlamaConfig(99, 48, 64, 3, 6, 2, 10, 1e-5, 5e7, scaling, true, 1 << 20, 0);
            assertThat(read(config.toJson(dtype))).isEqualTo(config);
            assertThat(config.toJson(dtype)).doesNotContain("vision");
            LlamaConfig vision = config.withVisionVocabSize(8448);
            assertThat(read(vision.toJson(dtype))).isEqualTo(vision);
        }
        assertThatThrownBy(() -> LlamaConfig.preset("7b").toJson(DType.I32))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void absentKeysMeanWhatTransformersTakes() throws Exception {
        LlamaConfig config = read("{" + SIZES + "}");
        assertThat(config)
                .isEqualTo(
                        new LlamaConfig(
                                64,
                                32,
                                40,
                                2,
                                4,
                                4,
                                8,
                                1e-6,
                                1e4,
                                new RopeScaling.None(),
                                false,
                                2048,
                                0));
        assertThat(read("\ufeff{" + SIZES + ", \"head_dim\": null, \"rope_scaling\": {}}"))
                .isEqualTo(config);
    }

    @Test
    void ropeIsReadInTheFormsOfTransformers4And5() throws Exception {
        RopeScaling linear = new RopeScaling.Linear(2.5);
        for (String rope :
                new String[] {
                    "\"rope_theta\": 7e5, \"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 2.5}",
                    "\"rope_theta\": 700000, \"rope_scaling\": {\"type\": \"linear\", \"factor\": 2.5}",
                    "\"rope_parameters\": {\"rope_type\": \"linear\", \"factor\": 2.5, \"rope_theta\": 7e5}",
                    "\"rope_theta\": 7e5, \"rope_parameters\": {\"type\": \"linear\", \"factor\": 2.5}"
                }) {
            LlamaConfig config = read("{" + SIZES + ", " + rope + "}");
            assertThat(config.ropeTheta()).isEqualTo(7e5);
            assertThat(config.ropeScaling()).isEqualTo(linear);
        }
        String plain = ", \"dtype\": \"bfloat16\", \"rope_parameters\": {\"rope_theta\": 7e5}}";
        assertThat(read("{" + SIZES + plain).ropeScaling()).isEqualTo(new RopeScaling.None());
        assertThat(read("{" + SIZES + plain).ropeTheta()).isEqualTo(7e5);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "\"rope_scaling\": {\"rope_type\": \"yarn\", \"beta_fast\": 1, \"beta_slow\": 2}|beta_fast = 1.0 is under",
                "\"rope_scaling\": {\"rope_type\": \"yarn\", \"truncate\": 1}|truncate = 1 is neither",
                "\"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 4}|rope type \"dynamic\"",
                "\"rope_parameters\": {\"rope_type\": \"longrope\"}|rope type \"longrope\"",
                "\"rope_scaling\": {\"factor\": 4}|names no rope_type",
                "\"rope_scaling\": {\"type\": \"linear\"}|factor is missing",
                "\"rope_scaling\": {\"type\": \"linear\", \"factor\": -1}|factor = -1.0",
                "\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8}|low_freq_factor is missing",
                "\"rope_scaling\": \"linear\"|names no rope_type",
                "\"architectures\": [\"MistralForCausalLM\"]|\"MistralForCausalLM\"",
                "\"model_type\": \"qwen2\"|model_type = \"qwen2\"",
                "\"hidden_act\": \"gelu\"|hidden_act = \"gelu\"",
                "\"attention_bias\": true|attention_bias = true",
                "\"mlp_bias\": true|mlp_bias = true",
                "\"quantization_config\": {\"bits\": 4}|quantization_config",
                "\"partial_rotary_factor\": 0.5|partial_rotary_factor",
                "\"num_key_value_heads\": 3|numHeads = 4 is no multiple of numKvHeads = 3",
                "\"head_dim\": 7|headDim = 7 is odd",
                "\"head_dim\": \"8\"|head_dim = \"8\"",
                "\"num_key_value_heads\": 0|numKvHeads = 0",
                "\"max_position_embeddings\": 4294967296|max_position_embeddings = 4294967296",
                "\"rms_norm_eps\": \"x\"|rms_norm_eps",
                "\"rope_theta\": 0|ropeTheta = 0.0",
                "\"tie_word_embeddings\": 1|tie_word_embeddings = 1",
            })
    void whatIsNotALlamaIsRefusedByName(String key, String words) {
        assertThatThrownBy(() -> read("{" + SIZES + ", " + key + "}"))
                .isInstanceOf(CheckpointException.class)
                .hasMessageStartingWith(tmp.resolve("config.json").toString())
                .hasMessageContaining(words);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "[]", "{", "{}", "null", "{\"vocab_size\": 1, \"vocab_size\": 2}"})
    void whatIsNoConfigIsRefused(String json) {
        assertThatThrownBy(() -> read(json))
                .isInstanceOf(CheckpointException.class)
                .hasMessageStartingWith(tmp.resolve("config.json").toString());
    }

    @Test
    void damagedConfigsGiveASentenceOrAConfig() throws Exception {
        byte[] whole = LlamaConfig.preset("1b").toJson(DType.F32).getBytes(StandardCharsets.UTF_8);
        Random random = new Random(3);
        for (int i = 0; i < 2000; i++) {
            byte[] damaged = whole.clone();
            damaged[random.nextInt(damaged.length)] ^= (byte) (1 << random.nextInt(8));
            if (i % 2 == 0) {
                damaged = Arrays.copyOf(damaged, random.nextInt(damaged.length));
            }
            Path file = tmp.resolve("config.json");
            Files.write(file, damaged);
            Throwable fault = catchThrowable(() -> LlamaConfig.fromJson(file));
            if (fault != null) {
                assertThat(fault).isInstanceOf(CheckpointException.class);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "debug,2,",
        "200m,8,",
        "1b,16,",
        "3b,32,",
        "7b,32,6_738_415_616",
        "13b,40,13_015_864_320",
        "30b,52,32_528_943_616",
        "65b,64,65_285_660_672"
    })
    void presetsHaveTheSizesOfLwm(String name, int heads, String parameters) {
        LlamaConfig config = LlamaConfig.preset(name);
        assertThat(config.numHeads()).isEqualTo(heads);
        assertThat(heads * config.headDim()).isEqualTo(config.hiddenSize());
        if (parameters != null) {
            assertThat(LlamaTensors.of(config).stream().mapToLong(TensorSpec::count).sum())
                    .isEqualTo(Long.parseLong(parameters.replace("_", "")));
        }
    }

    @Test
    void yarnTakesWhatIsNotGivenFromContextsAndPaper() throws Exception {
        String context = "{" + SIZES + ", \"max_position_embeddings\": 8192, ";
        String yarn = context + "\"rope_scaling\": {\"type\": \"yarn\", ";
        double paper = 0.1 * Math.log(4) + 1;
        assertThat(read(yarn + "\"original_max_position_embeddings\": 2048}}").ropeScaling())
                .isEqualTo(new RopeScaling.Yarn(4, 2048, 32, 1, paper, true));
        assertThat(read(yarn + "\"factor\": 4, \"attention_factor\": null}}").ropeScaling())
                .isEqualTo(new RopeScaling.Yarn(4, 8192, 32, 1, paper, true));
        assertThat(
                        read(yarn + "\"factor\": 4, \"mscale\": 2, \"mscale_all_dim\": 0.5}}")
                                .ropeScaling()
                                .attentionScale())
                .isEqualTo((0.2 * Math.log(4) + 1) / (0.05 * Math.log(4) + 1));
        assertThat(read(context + "\"rope_scaling\": null}").ropeScaling().attentionScale())
                .isEqualTo(1);
    }

    @Test
    void yarnIsTheSameInTheFormsOfTransformers4And5() throws Exception {
        String numbers =
                "\"factor\": 16, \"original_max_position_embeddings\": 4096, \"beta_fast\": 30,"
                        + " \"beta_slow\": 2, \"attention_factor\": 1.25, \"truncate\": false";
        for (String rope :
                new String[] {
                    "\"rope_theta\": 7e5, \"rope_scaling\": {\"rope_type\": \"yarn\", %s}",
                    "\"rope_theta\": 7e5, \"rope_scaling\": {\"type\": \"yarn\", %s}",
                    "\"rope_parameters\": {\"rope_type\": \"yarn\", \"rope_theta\": 7e5, %s}"
                }) {
            LlamaConfig config = read("{" + SIZES + ", " + rope.formatted(numbers) + "}");
            assertThat(config.ropeTheta()).isEqualTo(7e5);
            assertThat(config.ropeScaling())
                    .isEqualTo(new RopeScaling.Yarn(16, 4096, 30, 2, 1.25, false));
        }
    }

    @Test
    void visionTablesStandBehindTheirTextTwins() {
        LlamaConfig text = LlamaConfig.preset("debug");
        List<String> names =
                LlamaTensors.of(text.withVisionVocabSize(8448)).stream()
                        .map(TensorSpec::name)
                        .toList();
        assertThat(names)
                .hasSize(LlamaTensors.of(text).size() + 2)
                .startsWith(LlamaTensors.EMBED_TOKENS, LlamaTensors.VISION_EMBED_TOKENS)
                .endsWith(LlamaTensors.LM_HEAD, LlamaTensors.VISION_HEAD);
    }

    @Test
    void anUnknownPresetIsAnError() {
        assertThatThrownBy(() -> LlamaConfig.preset("8b")).hasMessageContaining("13b");
    }

    private LlamaConfig read(String json) throws Exception {
        return LlamaConfig.fromJson(Files.writeString(tmp.resolve("config.json"), json));
    }
}
