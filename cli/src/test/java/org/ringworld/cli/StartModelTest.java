package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.cli.train.TrainCommand;
import org.ringworld.model.layers.WholeParameters;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobReader;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.CpuDevice;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** A job that starts from a model keeps of it what it does not say otherwise. */
class StartModelTest {
    @TempDir private Path directory;
    private Path users;
    private Path base;

    @BeforeEach
    void unpack() throws IOException {
        users = UserCases.unpack(directory);
        base = users.resolve("P30/base");
    }

    private CommandLineTest.Outcome train(Object... more) {
        return CommandLineTest.run(
                "train",
                users.resolve("job.conf"),
                "model.path=" + base,
                "data.path=" + users.resolve("text.txt"),
                List.of(more));
    }

    @ParameterizedTest
    @CsvSource({"64, 8192", "16384, 16384"})
    void thetaTokenizerAndContextAreTheModels(int seqLen, int context) throws Exception {
        Path out = directory.resolve("out");
        CommandLineTest.Outcome outcome =
                train(
                        "output=" + out,
                        "stages=[{seqLen=%d,steps=1,tokensPerStep=64}]".formatted(seqLen));
        assertThat(outcome.code()).as(outcome.err()).isZero();
        for (String model : new String[] {"final", "stages/0-" + seqLen, "snapshots/step-1"}) {
            JsonNode config =
                    JsonMapper.shared()
                            .readTree(out.resolve(model).resolve("config.json").toFile());
            assertThat(config.path("rope_theta").doubleValue()).isEqualTo(5e5);
            assertThat(config.path("max_position_embeddings").intValue()).isEqualTo(context);
            assertThat(config.path("rms_norm_eps").doubleValue()).isEqualTo(1e-6);
            assertThat(
                            Files.mismatch(
                                    base.resolve("tokenizer.model"),
                                    out.resolve(model).resolve("tokenizer.model")))
                    .isEqualTo(-1);
        }
        assertThat(out.resolve("job.conf")).content().contains("500000", base.toString());
        assertThat(
                        train(
                                        "output=" + out,
                                        "stages=[{seqLen=%d,steps=1,tokensPerStep=64}]"
                                                .formatted(seqLen))
                                .out())
                .contains("is finished");
    }

    @Test
    void trainingUsesTheModelsOwnTheta() {
        Job job =
                JobReader.read(
                        TrainCommand.config(
                                List.of(
                                        users.resolve("job.conf").toString(),
                                        "model.path=" + base,
                                        "data.path=" + users.resolve("text.txt"),
                                        "stages=[{seqLen=64,steps=1},{seqLen=64,steps=1,ropeTheta=7e6}]")),
                        1);
        assertThat(job.curriculum().stages().get(0).ropeTheta()).isEqualTo(5e5);
        assertThat(job.curriculum().stages().get(1).ropeTheta()).isEqualTo(7e6);
        assertThat(job.tokenizer()).isEqualTo(base.toString());
    }

    @Test
    void ropeScalingSurvives() throws Exception {
        ObjectNode config =
                (ObjectNode) JsonMapper.shared().readTree(base.resolve("config.json").toFile());
        config.putObject("rope_scaling").put("rope_type", "linear").put("factor", 4.0);
        Files.writeString(base.resolve("config.json"), config.toString());
        Path out = directory.resolve("out");
        assertThat(train("output=" + out).code()).isZero();
        try (ModelFiles before = ModelFiles.open(base);
                ModelFiles after = ModelFiles.open(out)) {
            assertThat(after.config()).isEqualTo(before.config());
        }
    }

    @Test
    void needlesAreHiddenInTheModelsOwnTokens() {
        Path out = directory.resolve("out");
        CommandLineTest.Outcome outcome =
                CommandLineTest.run(
                        "train",
                        "model.path=" + base,
                        "output=" + out,
                        "optimizer.learningRate=1e-2",
                        "stages=[{task=needles,seqLen=256,steps=4,tokensPerStep=512}]");
        assertThat(outcome.code()).as(outcome.err()).isZero();
        CommandLineTest.Outcome eval =
                CommandLineTest.run(
                        "eval", out, "--lengths", "256", "--needles", "1", "--depths", "1");
        assertThat(eval.code()).as(eval.err()).isZero();
    }

    @Test
    void aTextModelIsGivenVisionTables() throws Exception {
        Path out = directory.resolve("out");
        Path pairs = directory.resolve("pairs.jsonl");
        Files.writeString(
                pairs, "{\"text\": \"a cat\", \"vision\": [" + "5,6,7,".repeat(85) + "8]}\n");
        CommandLineTest.Outcome outcome =
                CommandLineTest.run(
                        "train",
                        "model.path=" + base,
                        "model.visionVocabSize=8448",
                        "data.path=" + pairs,
                        "data.fields=\"[text],vision\"",
                        "data.heldOut=0",
                        "optimizer.learningRate=0",
                        "output=" + out,
                        "stages=[{seqLen=512,steps=1,tokensPerStep=512}]");
        assertThat(outcome.code()).as(outcome.err()).isZero();
        assertThat(outcome.out()).contains("vision tables of 8448 new: N(0, 0.04)");
        try (ModelFiles before = ModelFiles.open(base);
                ModelFiles after = ModelFiles.open(out);
                Device device = new CpuDevice(1)) {
            LlamaConfig config = after.config();
            assertThat(config.visionVocabSize()).isEqualTo(8448);
            WholeParameters both = new WholeParameters(device, config, DType.F32);
            both.load(after, 0, 0);
            WholeParameters same = new WholeParameters(device, config, DType.F32);
            same.load(before, 1, 0.04);
            for (int i = 0; i < both.specs().size(); i++) {
                assertThat(values(device, both.weight(i)))
                        .as(both.specs().get(i).name())
                        .isEqualTo(values(device, same.weight(i)));
            }
        }
    }

    @Test
    void aModelIsGivenRowsForTheTokensThatItLacks() throws Exception {
        Path small = directory.resolve("small");
        assertThat(CommandLineTest.run("train", CommandLineTest.TINY, "output=" + small).code())
                .isZero();
        List<String> job =
                List.of(
                        "model.path=" + small,
                        "tokenizer=" + base,
                        "data.path=" + users.resolve("text.txt"),
                        "optimizer.learningRate=0",
                        "stages=[{seqLen=32,steps=1}]");
        CommandLineTest.Outcome refused = CommandLineTest.run("train", job, "output=no");
        assertThat(refused.code()).isEqualTo(Ringworld.USAGE);
        assertThat(refused.err()).contains("model.growVocabulary = true");
        Path grown = directory.resolve("grown");
        CommandLineTest.Outcome outcome =
                CommandLineTest.run("train", job, "model.growVocabulary=true", "output=" + grown);
        assertThat(outcome.code()).as(outcome.err()).isZero();
        try (ModelFiles before = ModelFiles.open(small);
                ModelFiles after = ModelFiles.open(grown)) {
            int added = after.config().vocabSize() - before.config().vocabSize();
            assertThat(added).isPositive();
            assertThat(outcome.out()).contains("rows for " + added + " tokens new");
            for (String table : new String[] {LlamaTensors.EMBED_TOKENS, LlamaTensors.LM_HEAD}) {
                float[] few = values(before, table);
                float[] all = values(after, table);
                assertThat(Arrays.copyOf(all, few.length)).isEqualTo(few);
                assertThat(Arrays.copyOfRange(all, few.length, all.length)).doesNotContain(0);
            }
        }
    }

    private static float[] values(ModelFiles files, String name) throws IOException {
        TensorSpec spec =
                LlamaTensors.of(files.config()).stream()
                        .filter(s -> s.name().equals(name))
                        .findFirst()
                        .orElseThrow();
        float[] values = new float[(int) spec.count()];
        files.read(spec, DType.F32, MemorySegment.ofArray(values));
        return values;
    }

    private static float[] values(Device device, Tensor tensor) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(tensor.bytes(), 64);
            device.copyOut(tensor, host);
            return host.toArray(ValueLayout.JAVA_FLOAT);
        }
    }
}
