package org.ringworld.model.training;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.checkpoints.safetensors.SafeTensors;
import org.ringworld.model.attention.CausalMask;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.model.attention.RingShares;
import org.ringworld.model.attention.ZigzagLayout;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.training.rank.BatchFile;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Devices;
import org.ringworld.runtime.cuda.TestCard;
import org.ringworld.tokenizer.packing.Row;

/** The golden cases on a card, alone and on rings whose ranks share it. */
class CudaGoldenTest {
    private DeviceSpec card;

    @BeforeEach
    void card() {
        card = TestCard.orSkip().getFirst();
    }

    @ParameterizedTest
    @CsvSource({
        "llama-gqa, 1",
        "llama-gqa, 2",
        "llama-gqa, 4",
        "llama-gqa, 8",
        "llama3-tied, 1",
        "llama3-tied, 3"
    })
    void goldenModelsAreExactOnEveryRing(String model, int size) throws Exception {
        Path directory = GoldenTest.GOLDEN.resolve(model);
        Row row = row(directory);
        GoldenTest.checkResult(directory, row, run(directory, DType.F32, row, size));
    }

    /** No hop of the ring rounds anew: partial results and gradients of keys travel as F32. */
    @ParameterizedTest
    @ValueSource(strings = "llama-gqa")
    void gradientsInBf16AreNoWorseOnALongerRing(String model) throws Exception {
        Path directory = GoldenTest.GOLDEN.resolve(model);
        Row row = row(directory);
        double alone = error(directory, run(directory, DType.BF16, row, 1));
        double eight = error(directory, run(directory, DType.BF16, row, 8));
        assertThat(alone).isBetween(1e-5, 0.1);
        assertThat(eight).isLessThanOrEqualTo(1.25 * alone);
    }

    private static Row row(Path directory) throws Exception {
        Path file = directory.resolve("batch.safetensors");
        return BatchFile.read(file, GoldenTest.config(directory)).row();
    }

    private RingResult run(Path directory, DType dtype, Row row, int size) throws Exception {
        return RingResult.of(
                () -> Devices.open(card),
                GoldenTest.config(directory),
                GoldenTest.load(directory),
                dtype,
                row,
                MicroBatch.of(
                        List.of(row),
                        new ZigzagLayout(),
                        RingShares.even(size),
                        16,
                        CausalMask.CAUSAL),
                size % 2 == 0 ? Recompute.ALL : Recompute.NONE);
    }

    /** Root of the mean square of all gradients' errors over that of the gradients. */
    private static double error(Path directory, RingResult result) throws Exception {
        double off = 0;
        double all = 0;
        try (SafeTensors expected = SafeTensors.open(directory.resolve("expected.safetensors"))) {
            for (Map.Entry<String, float[]> gradient : result.gradients().entrySet()) {
                float[] right = expected.readFloats("grad." + gradient.getKey());
                for (int i = 0; i < right.length; i++) {
                    off += Math.pow(gradient.getValue()[i] - right[i], 2);
                    all += Math.pow(right[i], 2);
                }
            }
        }
        return Math.sqrt(off / all);
    }
}
