package org.ringworld.actors.serving;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.ringworld.actors.serving.SavedModel.ask;
import static org.ringworld.actors.serving.SavedModel.tokens;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.actors.device.DeviceRing;
import org.ringworld.actors.device.OpenJobs;
import org.ringworld.actors.job.FaultyDevice;
import org.ringworld.actors.job.Jobs;
import org.ringworld.model.attention.PageMemory;
import org.ringworld.model.attention.ZigzagLayout;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Made;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.training.coordination.AskedProbes;
import org.ringworld.model.training.job.Probe;
import org.ringworld.model.training.rank.HeldWork;
import org.ringworld.model.training.rank.ModelSource;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.DeviceLostException;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Devices;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.packing.SequencePacking;

class RingEngineTest {
    private static final int CAPACITY = 1 << 13;

    @TempDir private Path directory;
    private SavedModel model;

    @BeforeEach
    void write() throws Exception {
        model = SavedModel.in(directory);
    }

    private RingEngine ring(List<Device> devices) {
        return ring(devices, CAPACITY);
    }

    private RingEngine ring(List<Device> devices, int capacity) {
        int size = devices.size();
        ServedRing served =
                new ServedRing(
                        model.path().toString(),
                        0,
                        "",
                        Jobs.MODEL.vocabSize(),
                        size,
                        capacity,
                        false,
                        false);
        return new RingEngine(served, devices, new OpenJobs(model.on(size)));
    }

    private void assertAsAlone(Ask ask, List<Made.Token> tokens) throws Exception {
        List<Made.Token> right = model.alone(ask);
        assertThat(tokens).hasSameSizeAs(right);
        for (int i = 0; i < right.size(); i++) {
            assertThat(tokens.get(i).id()).isEqualTo(right.get(i).id());
            assertThat(Math.abs(tokens.get(i).logprob() - right.get(i).logprob())).isLessThan(1e-4);
            assertThat(tokens.get(i).alternatives()).hasSize(2);
            assertThat(tokens.get(i).alternatives().getFirst().id()).isEqualTo(tokens.get(i).id());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    @Timeout(60)
    void aRingOfActorsWritesWhatOneDeviceDoes(int size) throws Exception {
        List<Device> devices = devices(size);
        try (RingEngine ring = ring(devices)) {
            List<Ask> asks = List.of(ask(1, 9, 20), ask(2, 2000, 7), ask(3, 1, 40), ask(4, 300, 5));
            List<Answer> answers = asks.stream().map(ring::ask).toList();
            for (int i = 0; i < asks.size(); i++) {
                assertAsAlone(asks.get(i), tokens(answers.get(i)));
                float[] scores = answers.get(i).scores();
                assertThat(scores[0]).isNaN();
                for (int at = 1; at < scores.length; at++) {
                    assertThat(scores[at]).isNegative();
                }
            }
        }
        for (Device device : devices) {
            while (device.allocated() > 0) { // it is closed on its own thread
                Thread.sleep(1);
            }
        }
    }

    /**
     * Documents that share rows or begin alike, with answers of which a half is what is written.
     */
    private List<Probe> probes() throws Exception {
        SplittableRandom random = new SplittableRandom(5);
        int vocab = Jobs.MODEL.vocabSize();
        int[] common = random.ints(1300, 0, vocab).toArray();
        List<SequencePacking.Document> documents = new ArrayList<>();
        for (int i = 0; i < 24; i++) {
            int length = i % 4 == 0 ? random.nextInt(900, 1300) : random.nextInt(1, 300);
            int[] prompt = Arrays.copyOf(common, length);
            prompt[length - 1] = random.nextInt(vocab);
            int[] written =
                    model.alone(new Ask(prompt, 3, Sampler.GREEDY, Set.of(), 2, 0)).stream()
                            .mapToInt(Made.Token::id)
                            .toArray();
            written[1] = i % 2 == 0 ? written[1] : (written[1] + 1) % vocab;
            int[] ids = Arrays.copyOf(prompt, length + 5);
            System.arraycopy(written, 0, ids, length, 3);
            float[] weights = new float[ids.length];
            Arrays.fill(weights, length, length + 3, 1);
            documents.add(new SequencePacking.Document(ids, weights));
        }
        List<Row> all = documents.stream().map(d -> row(d.ids())).toList();
        return List.of(
                new Probe(
                        new Probe.Needles(1),
                        1400,
                        0.5,
                        documents.stream()
                                .map(d -> SequencePacking.pack(List.of(d), 1400, 0).getFirst())
                                .toList()),
                new Probe(new Probe.Needles(4), 700, 0, SequencePacking.pack(documents, 700, 0)),
                new Probe(new Probe.Documents("all"), 300, Double.NaN, all));
    }

    private static Row row(int[] ids) {
        return SequencePacking.pack(List.of(SequencePacking.Document.of(ids)), 300, 0).getFirst();
    }

    /** What is asked text by text is what whole rows give on a ring as in training. */
    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    @Timeout(120)
    void probesThatAreAskedAreAsWholeRows(int size) throws Exception {
        List<Probe> probes = probes();
        List<Probe.Result> right;
        HeldWork work =
                new HeldWork(
                        "model",
                        new ModelSource.Files(Jobs.MODEL, model.path()),
                        DType.F32,
                        false,
                        Recompute.Choice.ALL);
        try (DeviceRing whole = new DeviceRing(work, devices(size), new ZigzagLayout())) {
            right = whole.evaluate(probes, Jobs.MODEL.ropeTheta(), () -> {});
        }
        AtomicInteger rows = new AtomicInteger();
        try (RingEngine ring = ring(devices(size))) {
            List<Probe.Result> results = AskedProbes.evaluate(ring, probes, rows::incrementAndGet);
            for (int p = 0; p < probes.size(); p++) {
                assertThat(results.get(p).rows()).isEqualTo(right.get(p).rows());
                assertThat(results.get(p).right()).isEqualTo(right.get(p).right());
                assertThat(results.get(p).loss()).isCloseTo(right.get(p).loss(), within(1e-4));
            }
        }
        assertThat(rows).hasValue(probes.stream().mapToInt(p -> p.rows().size()).sum());
        assertThat(right.getFirst().right()).isEqualTo(12);
    }

    private static List<Device> devices(int size) {
        return IntStream.range(0, size).<Device>mapToObj(_ -> new CpuDevice(1)).toList();
    }

    /** Memory that is missing in the middle of a chunk fails what was read; the others go on. */
    @Test
    void aRankWithoutMemoryFailsWhatItReads() throws Exception {
        // The first text lies on the first rank alone: that is the other's first chunk.
        Device faulty =
                new FaultyDevice(
                        "attention",
                        1,
                        () -> {
                            throw new OutOfMemoryError("123 bytes for a tensor");
                        });
        try (RingEngine ring = ring(Arrays.asList(new CpuDevice(1), faulty))) {
            Ask goesOn = ask(1, 200, 400);
            Answer first = ring.ask(goesOn);
            List<Made.Token> tokens = new ArrayList<>(List.of(first.next()));
            Answer large = ring.ask(ask(2, 4000, 5));
            assertThatThrownBy(large::next).hasMessageContaining("bytes for a tensor");
            tokens.addAll(tokens(first));
            assertAsAlone(goesOn, tokens);
            Ask again = ask(2, 4000, 5);
            assertAsAlone(again, tokens(ring.ask(again)));
        }
    }

    /** The others go on without it, each text from what they have of it. */
    @Test
    @Timeout(60)
    void aDeviceThatIsLostLeavesItsRing() throws Exception {
        Device dying =
                new FaultyDevice(
                        "attention",
                        4,
                        () -> {
                            throw new DeviceLostException("it is broken");
                        });
        try (RingEngine ring = ring(Arrays.asList(new CpuDevice(1), dying, new CpuDevice(1)))) {
            List<Ask> asks = List.of(ask(1, 200, 300), ask(2, 3000, 30), ask(3, 90, 200));
            List<Answer> answers = asks.stream().map(ring::ask).toList();
            for (int i = 0; i < asks.size(); i++) {
                assertAsAlone(asks.get(i), tokens(answers.get(i)));
            }
        }
    }

    @Test
    void whatDoesNotFitIsRefusedAtOnce() {
        try (RingEngine ring = ring(List.of(new CpuDevice(1), new CpuDevice(1)), 1024)) {
            assertThatThrownBy(ring.ask(ask(1, 1000, 1000))::next)
                    .hasMessageContaining("2000 tokens do not fit: there is room for 1024, and 2 ");
        }
        long memory = 1L << 30; // twice as much is asked for
        List<Device> devices =
                IntStream.range(0, 2)
                        .mapToObj(_ -> Devices.open(new DeviceSpec.Cpu(1, memory)))
                        .toList();
        int tokens = Math.toIntExact(2 * memory / PageMemory.bytes(Jobs.MODEL, DType.F32)) * 256;
        assertThatThrownBy(() -> ring(devices, tokens))
                .hasMessageContaining("a device has room for " + tokens / 4)
                .hasMessageContaining("2 times as many devices");
    }
}
