package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.checkpoints.SourceType;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.hf.HfDirectory;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.checkpoints.safetensors.SafeTensorsWriter;
import org.ringworld.runtime.DType;
import org.ringworld.tokenizer.ByteTokenizer;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class ConversionCommandsTest {
    @TempDir private Path tmp;

    private static Path resource(String below) {
        return Path.of("../checkpoints/src/test/resources").resolve(below);
    }

    private static void done(Object... words) {
        CommandLineTest.Outcome outcome = CommandLineTest.run(words);
        assertThat(outcome.code()).as(outcome.err()).isZero();
    }

    @ParameterizedTest
    @ValueSource(strings = {"f32", "bf16"})
    void importExportImportIsTheIdentity(String dtype) throws IOException {
        Path first = tmp.resolve("first");
        Path again = tmp.resolve("again");
        done("import", resource("golden/lwm-jax"), first, "--dtype", dtype);
        done("export", first, tmp.resolve("jax"));
        done("import", "params::" + tmp.resolve("jax/params"), again); // as LWM names it
        for (String name : new String[] {"config.json", "model.safetensors"}) {
            assertThat(Files.mismatch(first.resolve(name), again.resolve(name))).isEqualTo(-1);
        }
        if (dtype.equals("bf16")) { // its own order of records, the same weights
            done("export", resource("golden/lwm-jax"), tmp.resolve("direct"));
            Path direct = tmp.resolve("direct/params");
            assertThat(Files.mismatch(direct, tmp.resolve("jax/params"))).isEqualTo(-1);
        }
    }

    @Test
    void whatLwmsFormatCannotSayIsRefusedByName() {
        CommandLineTest.Outcome outcome =
                CommandLineTest.run("export", resource("golden/llama3-tied"), tmp.resolve("out"));
        assertThat(outcome.code()).isEqualTo(Ringworld.FAILED);
        assertThat(outcome.err()).contains("GQA", "headDim", "tied embeddings", "rope scaling");
        assertThat(tmp.resolve("out")).doesNotExist();
    }

    @ParameterizedTest
    @CsvSource({
        "golden/lwm-jax, LWM JAX stream, 23",
        "golden/llama-gqa/pytorch_model.bin, PyTorch zip, 11",
        "golden/llama3-tied, safetensors, 11",
        "reports/format/strided.bin, PyTorch zip, 8",
    })
    void inspectTellsTheFormatAndEveryTensor(String path, String format, int tensors)
            throws IOException {
        CommandLineTest.Outcome outcome = CommandLineTest.run("inspect", resource(path), "--json");
        assertThat(outcome.code()).as(outcome.err()).isZero();
        JsonNode json = JsonMapper.shared().readTree(outcome.out());
        assertThat(json.path("format").asString()).startsWith(format);
        assertThat(json.path("tensors").size()).isGreaterThanOrEqualTo(Math.max(1, tensors));
        long bytes = 0;
        for (JsonNode tensor : json.path("tensors")) {
            bytes += tensor.path("bytes").asLong();
        }
        assertThat(json.path("bytes").asLong()).isEqualTo(bytes);
        CommandLineTest.Outcome text = CommandLineTest.run("inspect", resource(path));
        assertThat(text.out()).contains(format, "total");
    }

    /** The figure and the one of rows that were not re-ordered are the report's. */
    @Test
    void theLossOfAJaxStreamIsTheReports() throws IOException {
        Path lwm = resource("reports/format/lwm");
        JsonNode report = JsonMapper.shared().readTree(lwm.resolve("expected.json").toFile());
        Files.writeString(tmp.resolve("config.json"), report.path("config").toString());
        Path stream = tmp.resolve("streaming_params_layers");
        Files.copy(lwm.resolve("streaming_params_layers"), stream);
        Path batch = batch(report.path("input_ids"), report.path("targets"));
        CommandLineTest.Outcome outcome =
                CommandLineTest.run("forward", stream, "--batch", batch, "--out", tmp.resolve("o"));
        assertThat(outcome.code()).as(outcome.err()).isZero();
        assertThat(outcome.out()).contains("loss 4.0478");
    }

    @ParameterizedTest
    @CsvSource({"llama-gqa, f32, 0", "llama3-tied, bf16, 32", "llama-gqa, q8_0, 7"})
    void aGgufFileIsOneFileWithItsTypeInFront(String golden, String dtype, int fileType)
            throws IOException {
        Path out = tmp.resolve("new/model.gguf");
        Path model = resource("golden/" + golden);
        CommandLineTest.Outcome outcome =
                CommandLineTest.run("export", model, out, "--to", "gguf", "--dtype", dtype);
        assertThat(outcome.code()).as(outcome.err()).isZero();
        assertThat(outcome.err()).contains("holds no tokenizer").hasLineCount(1);
        try (var inside = Files.list(out.getParent())) {
            assertThat(inside).containsExactly(out);
        }
        String head = Files.readString(out, StandardCharsets.ISO_8859_1);
        char[] value = {4, 0, 0, 0, (char) fileType, 0, 0, 0};
        assertThat(head).startsWith("GGUF\3").contains("general.file_type" + new String(value));
        outcome = CommandLineTest.run("export", model, out, "--to", "gguf");
        assertThat(outcome.code()).isEqualTo(Ringworld.USAGE);
        assertThat(outcome.err()).contains("is there already");
    }

    /** Of more rows than the tokenizer has tokens. */
    private Path bytesModel() throws Exception {
        Path directory = tmp.resolve("bytes");
        LlamaConfig config = LlamaConfig.preset("debug").withVocabSize(306);
        HfDirectory.write(
                directory,
                config,
                DType.F32,
                LlamaTensors.of(config),
                spec -> MemorySegment.ofArray(new float[(int) spec.count()]),
                new ByteTokenizer()::save,
                Fence.NONE);
        return directory;
    }

    @Test
    void aGgufFileHasTheModelsTokenizerAndTemplate() throws Exception {
        Path model = bytesModel();
        Path out = tmp.resolve("model.gguf");
        done("export", model, out, "--to", "gguf");
        String text = Files.readString(out, StandardCharsets.ISO_8859_1);
        assertThat(text)
                .contains("tokenizer.ggml.merges", "tokenizer.chat_template", "ASSISTANT:", "<pad>")
                .contains("general.name\10\0\0\0\5\0\0\0\0\0\0\0model");
    }

    /** One of them is called as what fills the model's other rows. */
    @Test
    void twoTokensWithOneTextAreRefusedAndNothingIsLeft() throws Exception {
        Path model = bytesModel();
        Path json = model.resolve("tokenizer.json");
        Files.writeString(json, Files.readString(json).replace("<unk>", "[PAD300]"));
        Path names = model.resolve("tokenizer_config.json");
        Files.writeString(names, Files.readString(names).replace("<unk>", "[PAD300]"));
        Path out = tmp.resolve("model.gguf");
        CommandLineTest.Outcome outcome = CommandLineTest.run("export", model, out, "--to", "gguf");
        assertThat(outcome.code()).isEqualTo(Ringworld.FAILED);
        assertThat(outcome.err()).contains("two of its tokens are written [PAD300]");
        assertThat(out).doesNotExist();
    }

    @Test
    void anExportedDirectoryIsTheImportedOneAndCarriesItsCard() throws IOException {
        Path golden = resource("golden/llama-gqa");
        Path first = tmp.resolve("first");
        done("import", golden, first);
        assertThat(first.resolve("README.md")).content().contains("# first", "`llama-gqa`");
        Files.writeString(first.resolve("README.md"), "its own\n");
        Path second = tmp.resolve("second");
        done("export", first, second, "--to", "hf");
        for (String name : new String[] {"config.json", "model.safetensors", "README.md"}) {
            assertThat(Files.mismatch(first.resolve(name), second.resolve(name))).isEqualTo(-1);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "--to onnx, --to onnx is not jax",
        "--to gguf --dtype q4_0, --dtype q4_0 is not",
        "--to hf --dtype q8_0, q8_0",
        "--dtype bf16, --dtype is for gguf and hf"
    })
    void aFormThatThereIsNotIsASentence(String options, String sentence) {
        List<Object> words = new ArrayList<>(List.of("export", resource("golden/llama-gqa")));
        words.add(tmp.resolve("out"));
        words.addAll(List.of(options.split(" ")));
        CommandLineTest.Outcome outcome = CommandLineTest.run(words.toArray());
        assertThat(outcome.code()).isEqualTo(Ringworld.USAGE);
        assertThat(outcome.err()).contains(sentence);
        assertThat(tmp.resolve("out")).doesNotExist();
    }

    private Path batch(JsonNode ids, JsonNode targets) throws IOException {
        Path file = tmp.resolve("batch.safetensors");
        long[] shape = {ids.size()};
        List<SafeTensorsWriter.Entry> entries =
                List.of(
                        new SafeTensorsWriter.Entry("input_ids", SourceType.I32, shape),
                        new SafeTensorsWriter.Entry("targets", SourceType.I32, shape),
                        new SafeTensorsWriter.Entry("loss_weights", SourceType.F32, shape));
        // The last position has no answer.
        float[] weights = new float[ids.size()];
        Arrays.fill(weights, 0, ids.size() - 1, 1);
        try (SafeTensorsWriter out = SafeTensorsWriter.create(file, entries, Map.of())) {
            out.write("input_ids", MemorySegment.ofArray(ints(ids)));
            out.write("targets", MemorySegment.ofArray(ints(targets)));
            out.write("loss_weights", MemorySegment.ofArray(weights));
            out.finish();
        }
        return file;
    }

    private static int[] ints(JsonNode array) {
        return array.valueStream().mapToInt(JsonNode::asInt).toArray();
    }

    @Test
    void aFlippedBitOfAPyTorchFileIsNotImported() throws IOException {
        Path golden = resource("golden/llama-gqa");
        Files.copy(golden.resolve("config.json"), tmp.resolve("config.json"));
        byte[] weights = Files.readAllBytes(golden.resolve("pytorch_model.bin"));
        weights[weights.length / 2] ^= 4;
        Path file = Files.write(tmp.resolve("pytorch_model.bin"), weights);
        CommandLineTest.Outcome outcome =
                CommandLineTest.run("import", file, tmp.resolve("imported"));
        assertThat(outcome.code()).isEqualTo(Ringworld.FAILED);
        assertThat(outcome.err())
                .contains(file.toString(), ".weight' does not match its CRC-32")
                .hasLineCount(1);
        assertThat(tmp.resolve("imported")).doesNotExist();
    }

    @ParameterizedTest
    @ValueSource(strings = {"import", "export", "inspect"})
    void aPathThatIsNoModelIsASentence(String command) {
        Object[] words =
                command.equals("inspect")
                        ? new Object[] {command, tmp.resolve("nowhere")}
                        : new Object[] {command, tmp.resolve("nowhere"), tmp.resolve("out")};
        CommandLineTest.Outcome outcome = CommandLineTest.run(words);
        assertThat(outcome.code()).isEqualTo(Ringworld.FAILED);
        assertThat(outcome.err()).contains("there is no such");
        assertThat(outcome.err().strip().lines()).hasSize(1);
    }

    @Test
    void anExistingDirectoryIsNotOverwritten() {
        CommandLineTest.Outcome outcome =
                CommandLineTest.run("import", tmp.resolve("nowhere"), tmp);
        assertThat(outcome.code()).isEqualTo(Ringworld.USAGE);
        assertThat(outcome.err()).contains("is there already");
    }
}
