package org.ringworld.model.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.safetensors.SafeTensors;
import org.ringworld.model.attention.ContiguousLayout;
import org.ringworld.model.attention.Layout;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.attention.StripedLayout;
import org.ringworld.model.attention.ZigzagLayout;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.training.rank.BatchFile;
import org.ringworld.runtime.DType;
import org.ringworld.tokenizer.packing.Row;

/**
 * Logits, loss and every gradient against results computed in float64 by an independent
 * implementation, on rings of many sizes and all layouts.
 */
class GoldenTest {
    static final Path GOLDEN = Path.of("../checkpoints/src/test/resources/golden");

    /** Larger cases of the same kinds, which are not part of a clone. */
    private static final Path LARGE = Path.of("../../shared/data/golden");

    private static final Path NUMERICS = Path.of("src/test/resources/numerics");
    private static final List<Layout> LAYOUTS =
            List.of(new ZigzagLayout(), new StripedLayout(), new ContiguousLayout());

    @TestFactory
    Stream<DynamicTest> goldenModelsAreExactOnEveryRing() {
        return Stream.of(GOLDEN, LARGE)
                .flatMap(golden -> Stream.of("llama-gqa", "llama3-tied").map(golden::resolve))
                .flatMap(
                        directory ->
                                tests(directory, new int[] {1, 2, 3, 5, 8}, GoldenTest::check));
    }

    @TestFactory
    Stream<DynamicTest> reportedCasesAreExactOnEveryRing() throws Exception {
        try (Stream<Path> cases = Files.list(NUMERICS)) {
            return cases.sorted().toList().stream()
                    .flatMap(
                            directory -> tests(directory, ringSizes(directory), GoldenTest::check));
        }
    }

    @TestFactory
    Stream<DynamicTest> logitsOfBothHeadsAreExactOnEveryRing() {
        int[] sizes = {1, 2, 3, 8};
        return Stream.of(GOLDEN, LARGE)
                .flatMap(
                        golden ->
                                tests(
                                        golden.resolve("lwm-jax"),
                                        sizes,
                                        GoldenTest::checkBothHeads));
    }

    @TestFactory
    Stream<DynamicTest> goldenModelsAreExactOnRanksOfUnequalBlocks() {
        List<DynamicTest> tests = new ArrayList<>();
        for (String model : List.of("llama-gqa", "llama3-tied")) {
            for (int[] shares : new int[][] {{2, 1}, {5, 3, 0}, {0, 1}, {1, 0, 0, 4, 2}}) {
                for (boolean turns : new boolean[] {false, true}) {
                    tests.add(
                            DynamicTest.dynamicTest(
                                    model + " " + Arrays.toString(shares) + " in turn: " + turns,
                                    () -> checkUnequal(GOLDEN.resolve(model), shares, turns)));
                }
            }
        }
        return tests.stream();
    }

    private static void checkUnequal(Path directory, int[] shares, boolean turns) throws Exception {
        Row row = BatchFile.read(directory.resolve("batch.safetensors"), config(directory)).row();
        Recompute recompute = turns ? Recompute.ALL : Recompute.NONE;
        MicroBatch batch = UnequalBlocks.cut(row, shares, turns, 16);
        RingResult result =
                RingResult.of(config(directory), load(directory), DType.F32, row, batch, recompute);
        checkResult(directory, row, result);
    }

    private static void checkBothHeads(Path directory, int size, Layout layout) throws Exception {
        assumeTrue(Files.exists(directory), "the large golden cases are not beside this clone");
        Path file = directory.resolve("expected.safetensors");
        Row row = BatchFile.read(file, config(directory)).row();
        RingResult result = run(directory, row, size, layout);
        try (SafeTensors expected = SafeTensors.open(file)) {
            checkLogits(result.logits(), row, expected.readFloats("text_logits"));
            float[][] vision = result.heads().get(Modality.VISION);
            if (expected.names().contains("vision_rows")) { // the small case has some rows alone
                vision = rows(vision, expected.readInts("vision_rows"));
                float[] right = expected.readFloats("vision_logits");
                assertThat(RingResult.difference(flat(vision), right)).isLessThanOrEqualTo(1e-4);
            } else {
                checkLogits(vision, row, expected.readFloats("vision_logits"));
            }
        }
    }

    private static float[][] rows(float[][] table, int[] numbers) {
        float[][] some = new float[numbers.length][];
        for (int i = 0; i < some.length; i++) {
            some[i] = table[numbers[i]];
        }
        return some;
    }

    private static float[] flat(float[][] rows) {
        float[] all = new float[rows.length * rows[0].length];
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(rows[i], 0, all, i * rows[0].length, rows[0].length);
        }
        return all;
    }

    private interface Check {
        void run(Path directory, int size, Layout layout) throws Exception;
    }

    private static Stream<DynamicTest> tests(Path directory, int[] sizes, Check check) {
        List<DynamicTest> tests = new ArrayList<>();
        for (int size : sizes) {
            for (Layout layout : LAYOUTS) {
                String name = directory.getFileName() + " ring " + size + " " + layout;
                tests.add(DynamicTest.dynamicTest(name, () -> check.run(directory, size, layout)));
            }
        }
        return tests.stream();
    }

    private static int[] ringSizes(Path directory) {
        try {
            String text = Files.readString(directory.resolve("case.json"));
            String list = text.substring(text.indexOf('[') + 1, text.indexOf(']'));
            return Arrays.stream(list.split(","))
                    .mapToInt(s -> Integer.parseInt(s.trim()))
                    .toArray();
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    static LlamaConfig config(Path directory) throws Exception {
        try (ModelFiles files = ModelFiles.open(directory)) {
            return files.config();
        }
    }

    private static RingResult run(Path directory, Row row, int size, Layout layout)
            throws Exception {
        return RingResult.of(
                config(directory),
                load(directory),
                DType.F32,
                row,
                layout,
                size,
                16,
                size % 2 == 0 ? Recompute.ALL : Recompute.NONE);
    }

    static RingResult.Weights load(Path directory) {
        return parameters -> {
            try (ModelFiles files = ModelFiles.open(directory)) {
                parameters.load(files, 0, 0);
            }
        };
    }

    private static void check(Path directory, int size, Layout layout) throws Exception {
        assumeTrue(Files.exists(directory), "the large golden cases are not beside this clone");
        Row row = BatchFile.read(directory.resolve("batch.safetensors"), config(directory)).row();
        checkResult(directory, row, run(directory, row, size, layout));
    }

    static void checkResult(Path directory, Row row, RingResult result) throws Exception {
        try (SafeTensors expected = SafeTensors.open(directory.resolve("expected.safetensors"))) {
            checkLogits(result.logits(), row, expected.readFloats("logits"));
            double loss = expected.readFloats("loss")[0];
            assertThat(Math.abs(result.loss() - loss)).isLessThanOrEqualTo(1e-5 * Math.abs(loss));
            int checked = 0;
            for (Map.Entry<String, float[]> gradient : result.gradients().entrySet()) {
                float[] right = expected.readFloats("grad." + gradient.getKey());
                assertThat(RingResult.difference(gradient.getValue(), right))
                        .as(gradient.getKey())
                        .isLessThanOrEqualTo(1e-4);
                checked++;
            }
            assertThat(checked).isGreaterThan(10);
        }
    }

    /** Rows of padding have logits of no meaning. */
    private static void checkLogits(float[][] logits, Row row, float[] expected) {
        int vocab = logits[0].length;
        float[] a = new float[expected.length];
        for (int i = 0; i < logits.length; i++) {
            for (int v = 0; v < vocab; v++) {
                int at = i * vocab + v;
                a[at] = row.segments()[i] < 0 && at < expected.length ? expected[at] : logits[i][v];
            }
        }
        assertThat(RingResult.difference(a, expected)).isLessThanOrEqualTo(1e-4);
    }
}
