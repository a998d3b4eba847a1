package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.SourceType;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.checkpoints.safetensors.SafeTensors;
import org.ringworld.checkpoints.safetensors.SafeTensorsWriter;
import org.ringworld.model.layers.WholeParameters;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.documents.FieldLanguage;
import org.ringworld.tokenizer.documents.TextDocuments;
import org.ringworld.tokenizer.packing.Row;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Lines of jsonl with vision fields, from the command line to a model that draws and tells. */
class VisionTrainingTest {
    private static final Path JOB = Path.of("../examples/jobs/vision.conf");
    private static final String[] COLOURS = {"red", "green", "blue"};
    private static final int CODES_OF_A_FRAME = 3;

    /** The job on pictures of a few codes, with a small model. */
    private static final List<String> SMALL =
            List.of(
                    "model.hiddenSize=32",
                    "model.intermediateSize=64",
                    "model.numLayers=2",
                    "model.numHeads=2",
                    "model.numKvHeads=2",
                    "model.headDim=16",
                    "dtype=f32",
                    "data.tokensPerFrame=" + CODES_OF_A_FRAME,
                    "data.heldOut=0",
                    "optimizer={learningRate=1e-2,warmupSteps=5}",
                    "stages=[{seqLen=128,steps=60,tokensPerStep=512}]");

    @TempDir private Path directory;
    private Path pairs;

    @BeforeEach
    void write() throws Exception {
        pairs = directory.resolve("pairs.jsonl");
        StringBuilder lines = new StringBuilder();
        for (int line = 0; line < 60; line++) {
            int colour = line % COLOURS.length;
            String codes =
                    IntStream.range(0, 2 * CODES_OF_A_FRAME)
                            .mapToObj(i -> Integer.toString(8191 - 1000 * colour - i))
                            .collect(Collectors.joining(","));
            lines.append(
                    "{\"caption\": \"a %s square\", \"vision\": [%s]}\n"
                            .formatted(COLOURS[colour], codes));
        }
        Files.writeString(pairs, lines);
    }

    private CommandLineTest.Outcome train(Path run, String... more) {
        return CommandLineTest.run(
                "train", JOB, SMALL, "data.path=" + pairs, "output=" + run, List.of(more));
    }

    /** A row of documents of the given fields, as {@code forward} reads it. */
    private Path batch(String fields) throws Exception {
        FieldLanguage language =
                new FieldLanguage(
                        List.of(fields), null, " ", true, true, "", CODES_OF_A_FRAME, 0, Map.of());
        TextDocuments documents = TextDocuments.open(pairs, language, new ByteTokenizer(), 0);
        Row row = documents.training(1, 0).rows(0, 128, 1).getFirst();
        Path file = directory.resolve("batch.safetensors");
        long[] shape = {row.length()};
        Map<String, int[]> ints =
                Map.of(
                        "input_ids", row.ids(),
                        "positions", row.positions(),
                        "segments", row.segments(),
                        "targets", row.targets());
        Map<String, boolean[]> masks =
                Map.of("vision_mask", row.visionIds(), "target_vision_mask", row.visionTargets());
        List<SafeTensorsWriter.Entry> entries = new ArrayList<>();
        ints.keySet().forEach(n -> entries.add(entry(n, SourceType.I32, shape)));
        masks.keySet().forEach(n -> entries.add(entry(n, SourceType.BOOL, shape)));
        entries.add(entry("loss_weights", SourceType.F32, shape));
        try (SafeTensorsWriter out = SafeTensorsWriter.create(file, entries, Map.of())) {
            for (Map.Entry<String, int[]> tensor : ints.entrySet()) {
                out.write(tensor.getKey(), MemorySegment.ofArray(tensor.getValue()));
            }
            for (Map.Entry<String, boolean[]> tensor : masks.entrySet()) {
                out.write(tensor.getKey(), MemorySegment.ofArray(bytes(tensor.getValue())));
            }
            out.write("loss_weights", MemorySegment.ofArray(row.weights()));
            out.finish();
        }
        return file;
    }

    private static SafeTensorsWriter.Entry entry(String name, SourceType type, long[] shape) {
        return new SafeTensorsWriter.Entry(name, type, shape);
    }

    private static byte[] bytes(boolean[] mask) {
        byte[] bytes = new byte[mask.length];
        for (int i = 0; i < mask.length; i++) {
            bytes[i] = (byte) (mask[i] ? 1 : 0);
        }
        return bytes;
    }

    private double loss(Path model, String fields) throws Exception {
        Path out = directory.resolve("out.safetensors");
        CommandLineTest.Outcome outcome =
                CommandLineTest.run("forward", model, "--batch", batch(fields), "--out", out);
        assertThat(outcome.code()).as(outcome.err()).isZero();
        try (SafeTensors tensors = SafeTensors.open(out)) {
            assertThat(tensors.info("text_logits").shape()).containsExactly(128, 260);
            assertThat(tensors.info("vision_logits").shape()).containsExactly(128, 8448);
            return tensors.readFloats("loss")[0];
        }
    }

    @Test
    void aModelLearnsToTellAndToDraw() throws Exception {
        Path run = directory.resolve("run");
        CommandLineTest.Outcome outcome = train(run);
        assertThat(outcome.code()).as(outcome.err()).isZero();
        List<JsonNode> metrics = metrics(run);
        // Nothing is known yet, and either modality counts half.
        assertThat(metrics.getFirst().get("loss").asDouble())
                .isCloseTo((Math.log(260) + Math.log(8448)) / 2, within(0.3));
        assertThat(metrics.getLast().get("loss").asDouble()).isLessThan(1);
        assertThat(metrics.getFirst().get("accuracy").asDouble()).isLessThan(0.1);
        assertThat(metrics.getLast().get("accuracy").asDouble()).isGreaterThan(0.8);
        assertThat(loss(run, "[vision],caption")).isLessThan(1);
        assertThat(loss(run, "[caption],vision")).isLessThan(1);
    }

    /** A text job, then a vision job from the model that it made. */
    @Test
    void aModelOfTextsLearnsPicturesToo() throws Exception {
        Path text = directory.resolve("text");
        Path run = directory.resolve("run");
        String[] keys = {"model.visionVocabSize=0", "data.fields=caption", "stages.0.steps=10"};
        assertThat(train(text, keys).code()).isZero();
        CommandLineTest.Outcome outcome =
                train(
                        run,
                        "model.path=" + text,
                        "seed=7",
                        // The model of the first stage is the one that the job begins with.
                        "stages=[{seqLen=128,steps=1,optimizer.learningRate=0},"
                                + "{seqLen=128,steps=20,tokensPerStep=512}]");
        assertThat(outcome.code()).as(outcome.err()).isZero();
        assertThat(outcome.out().lines().filter(line -> line.contains("vision tables")))
                .singleElement()
                .asString()
                .endsWith("from " + text + ", vision tables of 8448 new: N(0, 0.04)");
        assertBeganWith(text, 7, run.resolve("stages/0-128"));
        List<JsonNode> metrics = metrics(run);
        assertThat(metrics).hasSize(21);
        double first = metrics.get(1).get("loss").asDouble();
        assertThat(metrics.getLast().get("loss").asDouble()).isLessThan(first - 1);
    }

    /** Text weights are those of the text model, bit for bit, vision tables those of the seed. */
    private static void assertBeganWith(Path text, long seed, Path model) throws Exception {
        try (ModelFiles before = ModelFiles.open(text);
                ModelFiles after = ModelFiles.open(model);
                Device device = new CpuDevice(1);
                Arena arena = Arena.ofConfined()) {
            WholeParameters seeded = new WholeParameters(device, after.config(), DType.F32);
            seeded.load(before, seed, 0.04);
            for (int i = 0; i < seeded.specs().size(); i++) {
                TensorSpec spec = seeded.specs().get(i);
                MemorySegment expected = arena.allocate(spec.count() * Float.BYTES, 64);
                MemorySegment is = arena.allocate(spec.count() * Float.BYTES, 64);
                if (LlamaTensors.isVision(spec.name())) {
                    device.copyOut(seeded.weight(i), expected);
                } else {
                    before.read(spec, DType.F32, expected);
                }
                after.read(spec, DType.F32, is);
                assertThat(is.mismatch(expected)).as(spec.name()).isEqualTo(-1);
            }
        }
    }

    private static List<JsonNode> metrics(Path run) throws Exception {
        return Files.readAllLines(run.resolve("metrics.jsonl")).stream()
                .map(JsonMapper.shared()::readTree)
                .toList();
    }

    @Test
    void whatTheModelHasNoTablesForIsRefusedBeforeTheFirstStep() throws Exception {
        Path run = directory.resolve("run");
        for (int size : new int[] {0, 8193}) {
            CommandLineTest.Outcome outcome = train(run, "model.visionVocabSize=" + size);
            assertThat(outcome.code()).isEqualTo(Ringworld.FAILED);
            assertThat(outcome.err().strip().lines()).hasSize(1);
            assertThat(outcome.err())
                    .contains("stages.0 (text)", pairs.toString(), "at least 8194")
                    .contains("the model's is " + size);
            assertThat(run.resolve("metrics.jsonl")).doesNotExist();
            assertThat(run.resolve("job.conf")).doesNotExist();
        }
        assertThat(train(run, "model.visionVocabSize=8194", "stages.0.steps=1").code()).isZero();
    }

    @Test
    void bitsAByteAreOfTextsAlone() throws Exception {
        Path run = directory.resolve("run");
        assertThat(train(run, "stages.0.steps=1").code()).isZero();
        Path cache = directory.resolve("pairs.tokens");
        List<Object> tokenize = List.of("tokenize", pairs, "--out", cache, "--tokenizer", "bytes");
        String fields = "--fields=caption,vision";
        assertThat(CommandLineTest.run(tokenize, fields, "--tokens-per-frame=3").code()).isZero();
        CommandLineTest.Outcome outcome = CommandLineTest.run("eval", run, "--text", cache);
        assertThat(outcome.code()).isEqualTo(Ringworld.USAGE);
        assertThat(outcome.err()).contains("pairs.tokens has vision codes");
        assertThat(outcome.out()).doesNotContain("bits/byte");
    }

    @Test
    void textOfTheSameLinesNeedsNoTables() throws Exception {
        Path run = directory.resolve("run");
        String[] keys = {"model.visionVocabSize=0", "data.fields=caption", "stages.0.steps=1"};
        CommandLineTest.Outcome outcome = train(run, keys);
        assertThat(outcome.code()).as(outcome.err()).isZero();
    }
}
