package org.ringworld.model.attention;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.FillAttention.Fill;
import org.ringworld.model.attention.FillPlan.Way;
import org.ringworld.model.ring.Frame;
import org.ringworld.model.training.LocalRanks;
import org.ringworld.model.training.RingPropertyTest;
import org.ringworld.model.training.RingResult;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

class FillAttentionTest {
    private static final int T = PageMemory.TOKENS;

    /** One result for the tokens of all ranks: by fill and position, whatever the way. */
    private static float[][] run(
            LlamaConfig config, int size, List<List<Fill>> chunks, List<Way> ways) {
        int layer = 0;
        int heads = config.numHeads() * config.headDim();
        int longest = 1 << 13;
        float[][] all = new float[chunks.getFirst().size() * longest][];
        LocalRanks.run(
                size,
                (ring, device) -> {
                    Workspace scratch = new Workspace(device);
                    PageMemory memory = new PageMemory(device, config, DType.F32, DType.F32, 40, 0);
                    PagedAttention paged = new PagedAttention(device, config, memory, scratch);
                    FillAttention attention =
                            new FillAttention(
                                    device, config, memory, paged, ring, DType.F32, false, scratch);
                    for (int page = 0; page < 40; page++) {
                        memory.clear(page);
                    }
                    for (int c = 0; c < chunks.size(); c++) {
                        Workspace.Mark mark = scratch.mark();
                        List<Fill> fills = chunks.get(c);
                        FillPlan plan = FillPlan.of(fills, ways, size);
                        attention.begin(plan, plan, Frame.of(c, 0), scratch);
                        Tensor positions = attention.positions();
                        if (positions == null) {
                            attention.help(layer);
                            continue;
                        }
                        long n = positions.dim(0);
                        KvBlock own = attention.own(layer, scratch);
                        List<int[]> rows = rows(fills, ways, size, ring.rank());
                        Tensor q = scratch.take(DType.F32, n, config.numHeads(), config.headDim());
                        for (int i = 0; i < n; i++) {
                            set(device, q.rows(i, i + 1), rows.get(i), 0);
                        }
                        for (int t = 0; t < own.size(); t++) {
                            for (int i = own.borders()[t]; i < own.borders()[t + 1]; i++) {
                                int at = i - own.borders()[t];
                                set(device, own.keys()[t].rows(at, at + 1), rows.get(i), 1);
                                set(device, own.values()[t].rows(at, at + 1), rows.get(i), 2);
                            }
                        }
                        Tensor out = scratch.take(DType.F32, q.shape());
                        Tensor max = scratch.take(DType.F32, n, config.numHeads());
                        Tensor sum = scratch.take(DType.F32, n, config.numHeads());
                        attention.forward(layer, q, own, out, max, sum);
                        float[] made = RingResult.floats(device, out);
                        for (int i = 0; i < n; i++) {
                            int[] row = rows.get(i);
                            all[row[0] * longest + row[1]] =
                                    java.util.Arrays.copyOfRange(made, i * heads, (i + 1) * heads);
                        }
                        scratch.release(mark);
                    }
                    return null;
                });
        return java.util.Arrays.stream(all).filter(row -> row != null).toArray(float[][]::new);
    }

    /** Fill and position of a rank's rows, in the order that is documented. */
    private static List<int[]> rows(List<Fill> fills, List<Way> ways, int size, int rank) {
        List<int[]> rows = new ArrayList<>();
        for (Way way : Way.values()) {
            for (int f = 0; f < fills.size(); f++) {
                for (int at = fills.get(f).from(); at < fills.get(f).to(); at++) {
                    if (ways.get(f) == way && fills.get(f).pages().rank(at) == rank) {
                        rows.add(new int[] {f, at});
                    }
                }
            }
        }
        return rows;
    }

    private static void set(Device device, Tensor row, int[] of, int what) {
        SplittableRandom random = new SplittableRandom(of[0] * 1_000_003L + of[1] * 31L + what);
        float[] values = new float[Math.toIntExact(row.size())];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextDouble(-2, 2);
        }
        try (var arena = java.lang.foreign.Arena.ofConfined()) {
            device.copyIn(
                    arena.allocateFrom(java.lang.foreign.ValueLayout.JAVA_FLOAT, values), row);
        }
    }

    private static SequencePages pages(int size, int first, int count) {
        int[] ranks = IntStream.range(0, count).map(i -> (first + i) % size).toArray();
        int[] numbers = IntStream.range(0, count).map(i -> 20 * (first % 2) + i).toArray();
        return new SequencePages(ranks, numbers);
    }

    /**
     * Chunks of two texts, holes filled out of order, few tokens and many, more pages than go at
     * once.
     */
    private static List<List<Fill>> chunks(int size) {
        SequencePages one = pages(size, 0, 19);
        SequencePages two = pages(size, 1, 3);
        return List.of(
                List.of(new Fill(one, 0, 2 * T + 5), new Fill(two, 0, 3)),
                List.of(new Fill(one, 2 * T + 5, 2 * T + 9), new Fill(two, 3, T + 40)),
                List.of(new Fill(one, 2 * T + 9, 18 * T + 30), new Fill(two, T + 40, T + 41)));
    }

    @ParameterizedTest
    @CsvSource({"2,4,2", "3,4,2", "3,3,3", "5,4,1"})
    void allWaysGiveWhatOneRankGives(int size, int heads, int kvHeads) {
        LlamaConfig config = RingPropertyTest.config(heads, kvHeads, 8, false);
        float[][] alone = run(config, 1, chunks(1), List.of(Way.LOCAL, Way.LOCAL));
        assertThat(alone).hasNumberOfRows(18 * T + 30 + T + 41);
        for (Way first : List.of(Way.PASS_QUERIES, Way.PASS_KEYS)) {
            for (Way second : List.of(Way.PASS_QUERIES, Way.PASS_KEYS)) {
                float[][] ring = run(config, size, chunks(size), List.of(first, second));
                assertThat(ring).hasNumberOfRows(alone.length);
                for (int row = 0; row < alone.length; row++) {
                    assertThat(RingResult.difference(ring[row], alone[row]))
                            .as("row %d, %s and %s", row, first, second)
                            .isLessThan(1e-5);
                }
            }
        }
    }

    /** Pages that were lost are computed again from those before them; the others stay. */
    @ParameterizedTest
    @CsvSource({"1", "2", "3"})
    void holesAreFilledLater(int size) {
        LlamaConfig config = RingPropertyTest.config(4, 2, 8, false);
        SequencePages pages = pages(size, 0, 5);
        List<Way> way = List.of(size == 1 ? Way.LOCAL : Way.PASS_QUERIES);
        float[][] right = run(config, size, List.of(List.of(new Fill(pages, 0, 4 * T + 9))), way);
        // Behind the hole first; what is before the hole is not seen by whoever fills it wrongly.
        List<List<Fill>> holes =
                List.of(
                        List.of(new Fill(pages, 0, T)),
                        List.of(new Fill(pages, 2 * T, 4 * T + 9)),
                        List.of(new Fill(pages, T, 2 * T)),
                        List.of(new Fill(pages, 2 * T, 4 * T + 9)));
        float[][] filled = run(config, size, holes, way);
        for (int row = 0; row < right.length; row++) {
            assertThat(RingResult.difference(filled[row], right[row])).isLessThan(1e-5);
        }
    }
}
