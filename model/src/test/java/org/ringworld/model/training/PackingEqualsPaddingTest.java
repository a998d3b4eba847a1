package org.ringworld.model.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.RopeScaling;
import org.ringworld.model.attention.ZigzagLayout;
import org.ringworld.model.layers.Recompute;
import org.ringworld.runtime.DType;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.packing.SequencePacking;
import org.ringworld.tokenizer.packing.SequencePacking.Document;

/** Training on packed rows is training on each document in a padded row of its own (LWM, §4.1). */
class PackingEqualsPaddingTest {
    private static final int SEQ_LEN = 48;
    private static final LlamaConfig CONFIG =
            new LlamaConfig(
                    37, 24, 40, 2, 4, 2, 6, 1e-5, 1e4, new RopeScaling.None(), false, 4096, 0);

    /** Σ w·ce, Σ w and Σ w · (mean gradient) over rows that are trained on together. */
    private record Sums(double loss, double weight, Map<String, double[]> gradients) {
        static Sums of(List<Row> rows, int ring) {
            double loss = 0;
            double weight = 0;
            Map<String, double[]> gradients = new LinkedHashMap<>();
            for (Row row : rows) {
                RingResult result =
                        RingResult.of(
                                CONFIG,
                                parameters -> parameters.initialize(3, 0.3),
                                DType.F32,
                                row,
                                new ZigzagLayout(),
                                ring,
                                16,
                                Recompute.NONE);
                double own = 0;
                for (float w : row.weights()) {
                    own += w;
                }
                double share = own;
                loss += share * result.loss();
                weight += own;
                result.gradients()
                        .forEach(
                                (name, g) -> {
                                    double[] sum =
                                            gradients.computeIfAbsent(
                                                    name, _ -> new double[g.length]);
                                    for (int i = 0; i < g.length; i++) {
                                        sum[i] += share * g[i];
                                    }
                                });
            }
            return new Sums(loss, weight, gradients);
        }
    }

    @ParameterizedTest
    @CsvSource({"1,false", "1,true", "3,false", "3,true"})
    void lossAndGradientsAreThoseOfPaddedDocuments(int ring, boolean documentsWeighTheSame) {
        Random random = new Random(ring);
        List<Document> documents = new ArrayList<>();
        for (int length : new int[] {2, 49, 7, 20, 13, 31, 3, 11}) {
            int[] ids = random.ints(length, 0, CONFIG.vocabSize()).toArray();
            float[] weights = new float[length];
            for (int i = 0; i < length; i++) {
                weights[i] = documentsWeighTheSame ? 1f / (length - 1) : random.nextInt(3);
            }
            documents.add(new Document(ids, weights));
        }
        List<Row> packed = SequencePacking.pack(documents, SEQ_LEN, 0);
        List<Row> padded =
                documents.stream()
                        .flatMap(d -> SequencePacking.pack(List.of(d), SEQ_LEN, 0).stream())
                        .toList();
        assertThat(packed.size()).isLessThan(padded.size());

        Sums a = Sums.of(packed, ring);
        Sums b = Sums.of(padded, ring);
        assertThat(a.weight).isCloseTo(b.weight, within(1e-5));
        assertThat(a.loss / a.weight).isCloseTo(b.loss / b.weight, within(1e-5));
        if (documentsWeighTheSame) {
            // The mean over documents of their own means, by the padded rows alone.
            double mean =
                    padded.stream()
                            .mapToDouble(
                                    row -> {
                                        Sums one = Sums.of(List.of(row), 1);
                                        return one.loss / one.weight;
                                    })
                            .average()
                            .orElseThrow();
            assertThat(a.loss / a.weight).isCloseTo(mean, within(1e-5));
        }
        a.gradients.forEach(
                (name, gradient) -> {
                    double[] other = b.gradients.get(name);
                    double greatest = Arrays.stream(other).map(Math::abs).max().orElseThrow();
                    assertThat(greatest).as(name).isPositive();
                    for (int i = 0; i < gradient.length; i++) {
                        assertThat(gradient[i] / greatest)
                                .as(name)
                                .isCloseTo(other[i] / greatest, within(1e-5));
                    }
                });
    }
}
