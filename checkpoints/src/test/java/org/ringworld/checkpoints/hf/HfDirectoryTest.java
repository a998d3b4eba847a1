package org.ringworld.checkpoints.hf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.files.NameExchange;
import org.ringworld.runtime.DType;

public class HfDirectoryTest {
    public static final LlamaConfig SMALL =
            new LlamaConfig(
                    37, 12, 20, 3, 4, 2, 6, 1e-5, 5e5, new RopeScaling.None(), false, 128, 0);

    @TempDir Path tmp;

    @ParameterizedTest
    @CsvSource({"F32,5000000000", "BF16,5000000000", "F32,1500", "BF16,1", "F32,4000"})
    void weightsComeBackAsTheyWereWritten(DType dtype, long shardBytes) throws Exception {
        Path dir = tmp.resolve("model");
        write(dir, SMALL, dtype, shardBytes, 1);
        try (ModelFiles files = ModelFiles.open(dir)) {
            assertThat(files.config()).isEqualTo(SMALL);
            assertThat(files.dtype()).isEqualTo(dtype);
            for (TensorSpec spec : LlamaTensors.of(SMALL)) {
                MemorySegment host = MemorySegment.ofArray(new byte[bytes(spec, dtype)]);
                files.read(spec, dtype, host);
                assertThat(host.mismatch(random(spec, dtype, 1))).as(spec.name()).isEqualTo(-1);
            }
        }
    }

    @Test
    void bf16IsReadAsF32AndBack() throws Exception {
        write(tmp.resolve("m"), SMALL, DType.BF16, 2000, 3);
        TensorSpec spec = LlamaTensors.of(SMALL).get(1);
        try (ModelFiles files = ModelFiles.open(tmp.resolve("m"));
                Arena arena = Arena.ofConfined()) {
            MemorySegment f32 = arena.allocate(spec.count() * 4);
            files.read(spec, DType.F32, f32);
            MemorySegment stored = random(spec, DType.BF16, 3);
            for (long i = 0; i < spec.count(); i++) {
                assertThat(f32.getAtIndex(ValueLayout.JAVA_FLOAT, i))
                        .isEqualTo(
                                DType.fromBf16(
                                        stored.get(ValueLayout.JAVA_SHORT_UNALIGNED, 2 * i)));
            }
        }
    }

    @Test
    void anOlderModelIsReplacedAndNothingElseIsLeft() throws Exception {
        Path dir = tmp.resolve("model");
        write(dir, SMALL, DType.F32, 1500, 1);
        write(dir, SMALL.withRopeTheta(7), DType.F32, HfDirectory.SHARD_BYTES, 2);
        assertThat(names(tmp)).containsExactly("model");
        assertThat(names(dir)).containsExactly("config.json", "extra.txt", "model.safetensors");
        assertThat(LlamaConfig.fromJson(dir.resolve("config.json")).ropeTheta()).isEqualTo(7);
    }

    @Test
    void aReaderAlwaysFindsAWholeModel() throws Exception {
        Path dir = tmp.resolve("model");
        write(dir, SMALL, DType.F32, 1500, 1);
        Assumptions.assumeTrue(
                NameExchange.exchange(dir, Files.createDirectory(tmp.resolve("other"))),
                "this file system cannot exchange two names in one step");
        NameExchange.exchange(dir, tmp.resolve("other"));
        Thread writer = Thread.ofPlatform().start(() -> rewrite(dir, 30));
        while (writer.isAlive()) {
            assertThat(LlamaConfig.fromJson(dir.resolve("config.json")).numLayers()).isEqualTo(3);
        }
        writer.join();
        assertThat(theta(dir)).isEqualTo(30);
    }

    private static void rewrite(Path dir, int times) {
        try {
            for (int i = 1; i <= times; i++) {
                write(dir, SMALL.withRopeTheta(i), DType.F32, i % 2 == 0 ? 1500 : 1 << 20, i);
            }
        } catch (CheckpointException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void aFailedWriteLeavesTheOlderModelAlone() throws Exception {
        Path dir = tmp.resolve("model");
        write(dir, SMALL, DType.F32, 1500, 1);
        List<String> before = names(dir);
        assertThatThrownBy(
                        () ->
                                HfDirectory.write(
                                        dir,
                                        SMALL,
                                        DType.F32,
                                        LlamaTensors.of(SMALL),
                                        spec -> {
                                            throw new IllegalStateException("device lost");
                                        },
                                        HfDirectory.ExtraFiles.NONE,
                                        Fence.NONE))
                .hasMessage("device lost");
        assertThat(names(dir)).isEqualTo(before);
        assertThat(names(tmp)).containsExactly("model");
    }

    @Test
    void aRunsDirectoryMeansItsNewestModel() throws Exception {
        Path run = tmp.resolve("run");
        Files.createDirectories(run.resolve("snapshots"));
        assertThatThrownBy(() -> ModelFiles.open(run)).hasMessageContaining("not written a model");
        write(run.resolve("snapshots/step-9"), SMALL.withRopeTheta(9), DType.F32, 5000, 1);
        write(run.resolve("snapshots/step-10"), SMALL.withRopeTheta(10), DType.F32, 5000, 1);
        assertThat(theta(run)).isEqualTo(10);
        write(run.resolve("final"), SMALL.withRopeTheta(11), DType.F32, 5000, 1);
        assertThat(theta(run)).isEqualTo(11);
    }

    private static double theta(Path model) throws Exception {
        try (ModelFiles files = ModelFiles.open(model)) {
            return files.config().ropeTheta();
        }
    }

    public static void write(Path dir, LlamaConfig config, DType dtype, long shardBytes, long seed)
            throws CheckpointException {
        HfDirectory.write(
                dir,
                config,
                dtype,
                LlamaTensors.of(config),
                spec -> random(spec, dtype, seed),
                d -> Files.writeString(d.resolve("extra.txt"), "beside the weights"),
                Fence.NONE,
                shardBytes);
    }

    private static int bytes(TensorSpec spec, DType dtype) {
        return (int) spec.count() * dtype.bytes();
    }

    public static MemorySegment random(TensorSpec spec, DType dtype, long seed) {
        byte[] bytes = new byte[bytes(spec, dtype)];
        new Random(spec.name().hashCode() + seed).nextBytes(bytes);
        return MemorySegment.ofArray(bytes);
    }

    private static List<String> names(Path dir) throws Exception {
        try (Stream<Path> files = Files.list(dir)) {
            return files.map(p -> p.getFileName().toString()).sorted().toList();
        }
    }
}
