package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.SourceType;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.checkpoints.safetensors.SafeTensors;
import org.ringworld.checkpoints.safetensors.SafeTensorsWriter;

/** LWM's golden vision model through the commands. */
class VisionCommandsTest {
    @TempDir private Path tmp;

    private static Path lwm() {
        return Path.of("../checkpoints/src/test/resources/golden/lwm-jax");
    }

    private static Path batch() {
        return lwm().resolve("expected.safetensors");
    }

    private SafeTensors forward(Path model, Path batch, Object... settings) throws IOException {
        Path out = tmp.resolve("out.safetensors");
        List<Object> words = new ArrayList<>(List.of("forward", model, "--batch", batch));
        words.addAll(List.of("--out", out));
        words.addAll(List.of(settings));
        CommandLineTest.Outcome outcome = CommandLineTest.run(words.toArray());
        assertThat(outcome.code()).as(outcome.err()).isZero();
        return SafeTensors.open(out);
    }

    private static void assertGolden(SafeTensors out) throws IOException {
        try (SafeTensors expected = SafeTensors.open(batch())) {
            for (String name : List.of("text_logits", "vision_logits")) {
                float[] b = expected.readFloats(name);
                float[] a = out.readFloats(name);
                assertThat(out.info(name).shape()).containsExactly(58, a.length / 58);
                if (name.equals("vision_logits")) {
                    a = rows(a, a.length / 58, expected.readInts("vision_rows"));
                }
                assertThat(a).hasSameSizeAs(b);
                double worst = 0;
                double greatest = 0;
                for (int i = 0; i < b.length; i++) {
                    worst = Math.max(worst, Math.abs((double) a[i] - b[i]));
                    greatest = Math.max(greatest, Math.abs(b[i]));
                }
                assertThat(worst / greatest).as(name).isLessThan(1e-4);
            }
        }
    }

    /** Some rows of a table. */
    private static float[] rows(float[] table, int width, int[] rows) {
        float[] some = new float[rows.length * width];
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(table, rows[i] * width, some, i * width, width);
        }
        return some;
    }

    @ParameterizedTest
    @CsvSource({"1,zigzag", "2,zigzag", "3,striped", "8,contiguous"})
    void logitsAreExactFromTheStreamItsDirectoryAndWhatImportMakes(int size, String layout)
            throws IOException {
        Path imported = tmp.resolve("imported");
        assertThat(CommandLineTest.run("import", lwm(), imported).code()).isZero();
        for (Path model : List.of(lwm().resolve("params"), lwm(), imported)) {
            try (SafeTensors out =
                    forward(
                            model,
                            batch(),
                            "dtype=f32",
                            "ring.size=" + size,
                            "ring.layout=" + layout)) {
                assertGolden(out);
            }
        }
    }

    private Path batch(int[] ids, byte[] mask, int[] targets) throws IOException {
        Path file = tmp.resolve("batch.safetensors");
        long[] shape = {ids.length};
        List<SafeTensorsWriter.Entry> entries = new ArrayList<>();
        entries.add(new SafeTensorsWriter.Entry("input_ids", SourceType.I32, shape));
        entries.add(new SafeTensorsWriter.Entry("targets", SourceType.I32, shape));
        if (mask != null) {
            entries.add(new SafeTensorsWriter.Entry("vision_mask", SourceType.BOOL, shape));
        }
        try (SafeTensorsWriter out = SafeTensorsWriter.create(file, entries, Map.of())) {
            out.write("input_ids", MemorySegment.ofArray(ids));
            out.write("targets", MemorySegment.ofArray(targets));
            if (mask != null) {
                out.write("vision_mask", MemorySegment.ofArray(mask));
            }
            out.finish();
        }
        return file;
    }

    /** The second target is over the text vocabulary: it is a code as the next id is. */
    @Test
    void gradientsOfAllFourTablesComeOut() throws IOException {
        int[] ids = {5, 7, 8000, 9};
        int[] targets = {7, 8000, 9, -100};
        Path batch = batch(ids, new byte[] {0, 0, 1, 0}, targets);
        try (SafeTensors out = forward(lwm(), batch, "--gradients")) {
            assertThat(out.readFloats("loss")[0]).isPositive();
            for (String name :
                    List.of(
                            LlamaTensors.EMBED_TOKENS,
                            LlamaTensors.LM_HEAD,
                            LlamaTensors.VISION_EMBED_TOKENS,
                            LlamaTensors.VISION_HEAD)) {
                float[] gradient = out.readFloats("grad." + name);
                double norm = 0;
                for (float g : gradient) {
                    norm += g * g;
                }
                assertThat(norm).as(name).isPositive();
            }
        }
    }

    @Test
    void withoutAMaskAVisionModelIsATextModel() throws IOException {
        Path batch = batch(new int[] {5, 7}, null, new int[] {7, -100});
        try (SafeTensors out = forward(lwm(), batch)) {
            assertThat(out.names()).containsExactlyInAnyOrder("logits", "loss");
            assertThat(out.info("logits").shape()).containsExactly(2, 48);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "llama-gqa, 5, vision_mask[1] says vision code",
        "lwm-jax, 8448, the model's vision vocabulary of 8448",
    })
    void codesThatTheModelHasNotAreASentence(String model, int code, String sentence)
            throws IOException {
        Path directory = lwm().resolveSibling(model);
        Path batch = batch(new int[] {5, code}, new byte[] {0, 1}, new int[] {-100, -100});
        CommandLineTest.Outcome outcome =
                CommandLineTest.run(
                        "forward", directory, "--batch", batch, "--out", tmp.resolve("o"));
        assertThat(outcome.code()).isEqualTo(Ringworld.FAILED);
        assertThat(outcome.err()).contains("batch.safetensors", sentence);
        assertThat(outcome.err().strip().lines()).hasSize(1);
        assertThat(tmp.resolve("o")).doesNotExist();
    }

    @ParameterizedTest
    @CsvSource({"f32", "bf16"})
    void trainingStartsFromAStreamAndKeepsItsVisionTables(String dtype) throws IOException {
        Path run = tmp.resolve("run");
        Path stream = stream(dtype);
        CommandLineTest.Outcome outcome =
                CommandLineTest.run(
                        "train",
                        "model.path=" + stream.resolve("params"),
                        "stages=[{task=copy,seqLen=32,steps=2,tokensPerStep=64}]",
                        "optimizer.weightDecay=0",
                        "dtype=" + dtype,
                        "output=" + run);
        assertThat(outcome.code()).as(outcome.err()).isZero();
        assertThat(Files.readAllLines(run.resolve("metrics.jsonl"))).hasSize(2);
        try (ModelFiles trained = ModelFiles.open(run)) {
            assertThat(trained.config().visionVocabSize()).isEqualTo(8448);
        }
        // No code was seen, so only text and what both share have changed.
        try (SafeTensors before = SafeTensors.open(imported(stream, dtype));
                SafeTensors after = SafeTensors.open(run.resolve("final/model.safetensors"))) {
            for (String name : before.names()) {
                boolean same = after.data(name).mismatch(before.data(name)) == -1;
                assertThat(same).as(name).isEqualTo(name.contains("vision"));
            }
        }
        Path codes = batch(new int[] {5, 7}, new byte[] {0, 1}, new int[] {-100, -100});
        try (SafeTensors out = forward(run, codes)) {
            assertThat(out.names()).contains("text_logits", "vision_logits");
        }
    }

    /** A model of bytes and codes in LWM's own format. */
    private Path stream(String dtype) {
        Path made = tmp.resolve("made");
        CommandLineTest.Outcome trained =
                CommandLineTest.run(
                        "train",
                        CommandLineTest.TINY.subList(0, 3),
                        "model.visionVocabSize=8448",
                        "stages=[{task=copy,seqLen=32,steps=1}]",
                        "dtype=" + dtype,
                        "output=" + made);
        assertThat(trained.code()).as(trained.err()).isZero();
        Path stream = tmp.resolve("stream");
        assertThat(CommandLineTest.run("export", made, stream).code()).isZero();
        return stream;
    }

    private Path imported(Path stream, String dtype) {
        Path imported = tmp.resolve("imported");
        CommandLineTest.Outcome outcome =
                CommandLineTest.run("import", stream, imported, "--dtype", dtype);
        assertThat(outcome.code()).as(outcome.err()).isZero();
        return imported.resolve("model.safetensors");
    }
}
