package org.ringworld.model.layers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.hf.HfDirectory;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.attention.ZigzagLayout;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.LocalEngine;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.decode.ServedModel;
import org.ringworld.model.ring.Frame;
import org.ringworld.model.ring.LocalRing;
import org.ringworld.model.training.LocalRanks;
import org.ringworld.model.training.RandomRows;
import org.ringworld.model.training.RingPropertyTest;
import org.ringworld.model.training.RingResult;
import org.ringworld.model.training.coordination.Report;
import org.ringworld.model.training.rank.ModelSource;
import org.ringworld.model.training.rank.RankModel;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.tokenizer.packing.Row;

/** Whoever computes with weights cannot tell a whole copy from a file. */
class ParameterStoreTest {
    private static final LlamaConfig CONFIG = RingPropertyTest.config(4, 2, 6, false);
    private static final Row ROW = RandomRows.row(new SplittableRandom(5), 41, CONFIG.vocabSize());

    @TempDir private Path directory;

    /** Random weights as a model's files. */
    private Path written(DType dtype, long shardBytes) throws Exception {
        return written(CONFIG, dtype, shardBytes);
    }

    private Path written(LlamaConfig config, DType dtype, long shardBytes) throws Exception {
        Path model = directory.resolve("model");
        try (Device device = new CpuDevice(1);
                WholeParameters whole = new WholeParameters(device, config, dtype);
                Arena arena = Arena.ofConfined()) {
            whole.initialize(3, 0.3);
            HfDirectory.write(
                    model,
                    config,
                    dtype,
                    whole.specs(),
                    spec -> {
                        Tensor weight = whole.weight(whole.specs().indexOf(spec));
                        MemorySegment host = arena.allocate(weight.bytes(), 64);
                        device.copyOut(weight, host);
                        return host;
                    },
                    _ -> {},
                    Fence.claim(directory),
                    shardBytes);
        }
        return model;
    }

    private static float[] logits(Path model, DType dtype, int ranks, boolean training) {
        MicroBatch batch = MicroBatch.of(List.of(ROW), new ZigzagLayout(), ranks);
        ModelSource source = new ModelSource.Files(CONFIG, model);
        return LocalRanks.run(
                        ranks,
                        (ring, device) -> {
                            try (RankModel rank = new RankModel(device, source, dtype, training)) {
                                Report.Forwarded made =
                                        rank.forward(batch.ofRank(ring.rank()), false, ring);
                                return made.logits().get(Modality.TEXT);
                            }
                        })
                .stream()
                .reduce(new float[0], ParameterStoreTest::joined);
    }

    private static float[] joined(float[] a, float[] b) {
        float[] all = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, all, a.length, b.length);
        return all;
    }

    @ParameterizedTest
    @CsvSource({"F32,F32,1", "F32,F32,3", "BF16,BF16,2", "F32,BF16,2", "BF16,F32,2"})
    void aModelInItsFilesComputesAsAWholeCopyDoes(DType stored, DType dtype, int ranks)
            throws Exception {
        Path model = written(stored, 20_000); // some shards
        try (Stream<Path> files = Files.list(model)) {
            assertThat(files.filter(f -> f.toString().endsWith(".safetensors")))
                    .hasSizeGreaterThan(1);
        }
        assertThat(logits(model, dtype, ranks, false)).isEqualTo(logits(model, dtype, ranks, true));
    }

    @ParameterizedTest
    @CsvSource({"F32,F32,true", "BF16,BF16,true", "F32,BF16,false", "BF16,F32,false"})
    void whatIsStoredAsItComputesIsNotCopied(DType stored, DType dtype, boolean inPlace)
            throws Exception {
        Path model = written(stored, 1 << 20);
        try (Device device = new CpuDevice(1);
                ModelFiles files = ModelFiles.open(model)) {
            long before = device.allocated();
            MappedParameters parameters = new MappedParameters(device, files, CONFIG, dtype);
            assertThat(device.allocated() == before).isEqualTo(inPlace);
            parameters.close();
            assertThat(device.allocated()).isEqualTo(before);
        }
    }

    @Test
    void weightsAreCopiedWhereTheyAreNotToBeReadInPlace() throws Exception {
        Path model = written(DType.F32, 1 << 20);
        try (Device device = new CpuDevice(1);
                ModelFiles files = ModelFiles.open(model);
                MappedParameters copied =
                        new MappedParameters(device, files, CONFIG, DType.F32, DType.F32, false);
                MappedParameters mapped =
                        new MappedParameters(device, files, CONFIG, DType.F32, DType.F32, true)) {
            assertThat(device.allocated()).isGreaterThan(copied.acquire(0).down().bytes());
            Tensor copy = copied.acquire(0).down();
            assertThat(copy.memory().mismatch(mapped.acquire(0).down().memory())).isEqualTo(-1);
            assertThat(copy.address()).isNotEqualTo(mapped.acquire(0).down().address());
        }
    }

    /** ln of the probability of each token after a prompt. */
    private static float[] generated(Path model, LlamaConfig config, DType dtype, DType matrixDtype)
            throws Exception {
        int[] prompt = new SplittableRandom(8).ints(150, 0, config.vocabSize()).toArray();
        int all = config.vocabSize();
        Ask ask = new Ask(prompt, 1, Sampler.GREEDY, Set.of(), all, 0);
        ServedModel.Options dtypes =
                new ServedModel.Options(dtype, matrixDtype, dtype, false, true);
        try (Engine engine =
                        new LocalEngine(
                                new CpuDevice(2), ModelFiles.open(model), config, dtypes, 200);
                Answer answer = engine.ask(ask)) {
            float[] logprobs = new float[all];
            answer.next().alternatives().forEach(one -> logprobs[one.id()] = (float) one.logprob());
            return logprobs;
        }
    }

    /** A rounded weight is off by half of its row's scale; the logits by 2 %. */
    @ParameterizedTest
    @CsvSource({
        "F32, F32, I8, false, 0.02",
        "BF16, F32, I8, false, 0.02",
        "F32, BF16, I8, false, 0.04",
        "F32, F32, I8, true, 0.02",
        "BF16, BF16, I8, true, 0.04",
        "F32, F32, BF16, false, 0.01",
        "BF16, F32, BF16, true, 1e-6",
        "F32, BF16, F32, false, 0.03"
    })
    void matricesOfAnotherDtypeGiveLogitsCloseToTheModels(
            DType stored, DType dtype, DType matrixDtype, boolean tied, double bound)
            throws Exception {
        LlamaConfig config = RingPropertyTest.config(4, 2, 6, tied);
        Path model = written(config, stored, 1 << 20);
        float[] right = generated(model, config, DType.F32, DType.F32);
        float[] logits = generated(model, config, dtype, matrixDtype);
        assertThat(RingResult.difference(logits, right)).isLessThan(bound);
        if (matrixDtype == DType.I8) {
            assertThat(RingResult.difference(logits, right)).isGreaterThan(1e-4);
        }
    }

    /** The files' pages are only passed through, the heads' and layers' integers stay. */
    @ParameterizedTest
    @CsvSource({"F32, false", "BF16, true"})
    void matricesInI8TakeTheirBytes(DType stored, boolean tied) throws Exception {
        LlamaConfig config = RingPropertyTest.config(4, 2, 6, tied);
        Path model = written(config, stored, 1 << 20);
        try (Device device = new CpuDevice(1);
                ModelFiles files = ModelFiles.open(model)) {
            long before = device.allocated();
            try (MappedParameters parameters =
                    new MappedParameters(device, files, config, stored, DType.I8, true)) {
                assertThat(parameters.embedding(Modality.TEXT).dtype()).isEqualTo(stored);
                assertThat(parameters.head(Modality.TEXT).dtype()).isEqualTo(DType.I8);
                assertThat(parameters.finalNorm().dtype()).isEqualTo(stored);
                long matrices = 1 + 7L * config.numLayers(); // of integers and of scales
                assertThat(device.allocated() - before).isLessThanOrEqualTo(2 * matrices * 4096);
            }
            assertThat(device.allocated()).isEqualTo(before);
        }
    }

    /** A header of odd length is legal, and leaves every element across a border. */
    @Test
    void whatIsNotAlignedIsCopied() throws Exception {
        Path model = written(DType.F32, 1 << 20);
        float[] right = logits(model, DType.F32, 1, true);
        Path file = model.resolve("model.safetensors");
        ByteBuffer all = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        int header = Math.toIntExact(all.getLong(0));
        ByteBuffer odd = ByteBuffer.allocate(all.capacity() + 1).order(ByteOrder.LITTLE_ENDIAN);
        odd.putLong(header + 1).put(all.slice(8, header)).put((byte) ' ');
        odd.put(all.slice(8 + header, all.capacity() - 8 - header));
        Files.write(file, odd.array());
        try (Device device = new CpuDevice(1);
                ModelFiles files = ModelFiles.open(model);
                MappedParameters _ = new MappedParameters(device, files, CONFIG, DType.F32)) {
            assertThat(device.allocated()).isPositive();
        }
        assertThat(logits(model, DType.F32, 1, false)).isEqualTo(right);
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void aModelThatIsReplacedByNameIsReadToItsEnd() throws Exception {
        Path model = written(DType.F32, 1 << 20);
        Ask ask = new Ask(new int[] {1, 2, 3}, 1, Sampler.GREEDY, Set.of());
        ModelFiles files = ModelFiles.open(model);
        try (Engine engine =
                new LocalEngine(
                        new CpuDevice(1), files, CONFIG, ServedModel.Options.of(DType.F32), 4)) {
            Files.delete(model.resolve("model.safetensors"));
            try (Answer answer = engine.ask(ask)) {
                assertThat(answer.next().last()).isTrue();
            }
        }
    }

    @Test
    void aModelThatIsNotTrainedHasFiles() {
        try (Device device = new CpuDevice(1)) {
            ModelSource random = new ModelSource.Random(CONFIG, 1, 0.02);
            assertThatThrownBy(() -> new RankModel(device, random, DType.F32, false))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("from its files");
            assertThat(device.allocated()).isZero();
        }
    }

    /** A layer's gradients are complete when the step's last micro-batch has been through it. */
    @Test
    void gradientsAreNotSummedBeforeTheyAreComplete() {
        MicroBatch batch = MicroBatch.of(List.of(ROW), new ZigzagLayout(), 1);
        try (Device device = new CpuDevice(1);
                WholeParameters whole = new WholeParameters(device, CONFIG, DType.F32);
                Transformer transformer = new Transformer(device, whole)) {
            whole.initialize(3, 0.3);
            Gradients gradients = whole.gradients();
            for (boolean last : new boolean[] {false, true, false}) {
                transformer.forwardBackward(
                        CONFIG,
                        batch.ofRank(0),
                        new LocalRing(1).member(0),
                        Frame.of(1, 0),
                        1,
                        Recompute.ALL,
                        gradients,
                        false,
                        last,
                        null);
                if (last) {
                    gradients.sum(new LocalRing(1).member(0), 1);
                } else {
                    assertThatThrownBy(() -> gradients.sum(new LocalRing(1).member(0), 1))
                            .isInstanceOf(IllegalStateException.class)
                            .hasMessageContaining("layer 0");
                }
            }
        }
    }

    @Test
    void aTableThatAModelLacksIsNamed() {
        try (Device device = new CpuDevice(1);
                WholeParameters whole = new WholeParameters(device, CONFIG, DType.F32)) {
            List<Function<Modality, Tensor>> tables = List.of(whole::embedding, whole::head);
            for (Function<Modality, Tensor> table : tables) {
                assertThatThrownBy(() -> table.apply(Modality.VISION))
                        .hasMessageContaining("visionVocabSize is 0");
            }
        }
    }
}
