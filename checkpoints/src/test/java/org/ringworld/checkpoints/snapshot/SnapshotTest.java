package org.ringworld.checkpoints.snapshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.hf.HfDirectoryTest;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.runtime.DType;

class SnapshotTest {
    private static final LlamaConfig CONFIG = HfDirectoryTest.SMALL;
    private static final List<TensorSpec> SPECS = LlamaTensors.of(CONFIG);

    @TempDir Path run;

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16"})
    void everythingComesBack(DType dtype) throws Exception {
        Path dir = write(123, 2, dtype);
        assertThat(dir).isEqualTo(run.resolve("snapshots/step-123"));
        try (Snapshot snapshot = Snapshot.open(dir)) {
            assertThat(snapshot.progress()).isEqualTo(progress(123, 2));
            assertThat(snapshot.directory()).isEqualTo(dir);
            assertThat(snapshot.model().config()).isEqualTo(CONFIG);
            assertThat(snapshot.model().dtype()).isEqualTo(dtype);
            for (TensorSpec spec : SPECS) {
                MemorySegment host = memory(spec, dtype);
                snapshot.model().read(spec, dtype, host);
                assertSame(host, HfDirectoryTest.random(spec, dtype, 123));
                for (Snapshot.Part part : Snapshot.Part.values()) {
                    MemorySegment state = memory(spec, DType.F32);
                    snapshot.read(spec, part, DType.F32, state);
                    boolean isWeight = dtype == DType.F32 && part == Snapshot.Part.MASTER;
                    assertSame(
                            state,
                            isWeight
                                    ? HfDirectoryTest.random(spec, DType.F32, 123)
                                    : HfDirectoryTest.random(spec, DType.F32, part.ordinal()));
                }
            }
        }
    }

    @Test
    void theNewestWholeOneIsTakenAndTheOthersAreExplained() throws Exception {
        for (long step : new long[] {9, 10, 100, 20}) {
            write(step, 0, DType.F32);
        }
        flipByte(run.resolve("snapshots/step-100/model.safetensors"), -3);
        Files.delete(run.resolve("snapshots/step-20/snapshot.pb"));
        Files.createDirectory(run.resolve("snapshots/step-999999999999999999999"));
        Files.createDirectory(run.resolve("snapshots/.step-11.1.tmp"));
        Snapshot.Newest newest = Snapshot.newest(run);
        try (Snapshot snapshot = newest.snapshot()) {
            assertThat(snapshot.progress().step()).isEqualTo(10);
        }
        assertThat(newest.skipped()).hasSize(2);
        assertThat(newest.skipped().get(0)).contains("step-100").contains("has changed since");
        assertThat(newest.skipped().get(1)).contains("step-20").contains("no such file");
        assertThat(Snapshot.newest(run.resolve("nothing")).snapshot()).isNull();
    }

    @Test
    void pruningKeepsTheHighestSteps() throws Exception {
        for (long step : new long[] {9, 10, 100, 20}) {
            write(step, 0, DType.F32);
        }
        Files.createDirectory(run.resolve("snapshots/.step-11.1.tmp"));
        Files.createDirectory(run.resolve("snapshots/mine"));
        Snapshot.prune(run, 2, 0, Fence.NONE);
        assertThat(names(run.resolve("snapshots"))).containsExactly("mine", "step-100", "step-20");
        Snapshot.prune(run.resolve("nothing"), 2, 0, Fence.NONE);
    }

    @Test
    void milestonesStay() throws Exception {
        for (long step : new long[] {100, 150, 200, 250, 300}) {
            write(step, 0, DType.F32);
        }
        Snapshot.prune(run, 1, 200, Fence.NONE);
        assertThat(names(run.resolve("snapshots"))).containsExactly("step-200", "step-300");
    }

    @Test
    void anOwnerThatWasSucceededWritesNothingMore() throws Exception {
        write(5, 0, DType.F32);
        Fence first = Fence.claim(run);
        assertThatThrownBy(() -> Fence.claim(run))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("in use by process " + ProcessHandle.current().pid());
        first.check();
        first.release();
        Fence second = Fence.claim(run);
        assertThat(second.number()).isGreaterThan(first.number());
        second.check();
        assertThatThrownBy(first::check).hasMessageContaining("taken it over");
        write(6, 0, DType.F32);
        assertThatThrownBy(() -> Snapshot.prune(run, 1, 0, first))
                .isInstanceOf(CheckpointException.class);
        assertThat(names(run.resolve("snapshots"))).containsExactly("step-5", "step-6");
    }

    @Test
    void aFileHasAnOwnerOfItsOwn() throws Exception {
        Path file = Files.createDirectories(run).resolve("qa.jsonl");
        Fence first = Fence.claimFile(file);
        assertThatThrownBy(() -> Fence.claimFile(file))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining(file + " is in use by process");
        Fence other = Fence.claimFile(run.resolve("qa.jsonl.2"));
        Fence directory = Fence.claim(run);
        first.release();
        assertThat(Fence.claimFile(file).number()).isEqualTo(2);
        assertThatThrownBy(first::check).hasMessageContaining("taken it over");
        other.check();
        directory.check();
    }

    @Test
    void aDeadOwnerBlocksNobody() throws Exception {
        Process child = new ProcessBuilder("sleep", "60").start();
        String host = java.net.InetAddress.getLocalHost().getHostName();
        long start = child.toHandle().info().startInstant().orElseThrow().toEpochMilli();
        Path owner = Files.createDirectories(run).resolve(".owner-7");
        Files.writeString(owner, host + " " + child.pid() + " " + start);
        assertThatThrownBy(() -> Fence.claim(run)).hasMessageContaining("" + child.pid());
        child.destroyForcibly().waitFor();
        assertThat(Fence.claim(run).number()).isEqualTo(8);
    }

    /** Its host's clock is wrong, or was: it would be believed to live until ours has caught up. */
    @Test
    void anOwnersFileFromTheFutureNamesTheClock() throws Exception {
        Path owner = Files.createDirectories(run).resolve(".owner-3");
        Files.writeString(owner, "elsewhere 123 1764000000000");
        Files.setLastModifiedTime(owner, FileTime.from(Instant.now().plus(Duration.ofDays(2))));
        assertThatThrownBy(() -> Fence.claim(run))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining(".owner-3")
                .hasMessageContaining("clock")
                .hasMessageContaining("process 123 on elsewhere");
        Files.setLastModifiedTime(owner, FileTime.from(Instant.now()));
        assertThatThrownBy(() -> Fence.claim(run)).hasMessageContaining("is in use by process 123");
        Files.setLastModifiedTime(owner, FileTime.from(Instant.now().minusSeconds(60)));
        assertThat(Fence.claim(run).number()).isEqualTo(4);
    }

    @Test
    void aRunsModelIsItsLastStagesUnlessASnapshotIsFurther() throws Exception {
        write(50, 1, DType.F32);
        Path stage = run.resolve("stages/0-64");
        HfDirectoryTest.write(stage, CONFIG.withRopeTheta(64), DType.F32, 1 << 20, 1);
        assertThat(RunDirectory.newestModel(run)).isEqualTo(run.resolve("snapshots/step-50"));
        stage = run.resolve("stages/1-128");
        HfDirectoryTest.write(stage, CONFIG.withRopeTheta(128), DType.F32, 1 << 20, 1);
        assertThat(RunDirectory.newestModel(run)).isEqualTo(stage);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "snapshot.pb",
                "config.json",
                "model.safetensors",
                "extra.txt",
                "optimizer-00001-of-00001.safetensors"
            })
    void noDamageGoesUnseen(String name) throws Exception {
        Path dir = write(7, 0, DType.F32);
        Path file = dir.resolve(name);
        byte[] whole = Files.readAllBytes(file);
        Random random = new Random(1);
        for (int i = 0; i < 60; i++) {
            byte[] damaged = whole.clone();
            if (i % 3 == 0) {
                damaged = Arrays.copyOf(whole, random.nextInt(whole.length));
            } else {
                damaged[random.nextInt(whole.length)] ^= (byte) (1 << random.nextInt(8));
            }
            Files.write(file, damaged);
            assertThatThrownBy(() -> Snapshot.open(dir))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining(name);
        }
        Files.delete(file);
        assertThatThrownBy(() -> Snapshot.open(dir)).isInstanceOf(CheckpointException.class);
        Files.write(file, whole);
        Snapshot.open(dir).close();
    }

    private Path write(long step, int stage, DType dtype) throws Exception {
        return Snapshot.write(
                run,
                progress(step, stage),
                CONFIG,
                dtype,
                DType.F32,
                spec -> HfDirectoryTest.random(spec, dtype, step),
                (spec, part) -> HfDirectoryTest.random(spec, DType.F32, part.ordinal()),
                dir -> Files.writeString(dir.resolve("extra.txt"), "a tokenizer"),
                Fence.NONE);
    }

    private static Snapshot.Position progress(long step, int stage) {
        List<DeviceShare> shares = List.of(new DeviceShare("cuda", 13), new DeviceShare("cpu", 3));
        return new Snapshot.Position(
                step, stage, 23, step, 1L << 40, 3, -5, "seed = -5\n", 4, "zigzag", shares);
    }

    private static MemorySegment memory(TensorSpec spec, DType dtype) {
        return MemorySegment.ofArray(new byte[(int) spec.count() * dtype.bytes()]);
    }

    private static void assertSame(MemorySegment a, MemorySegment b) {
        assertThat(a.mismatch(b)).isEqualTo(-1);
    }

    private static void flipByte(Path file, int fromEnd) throws Exception {
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length + fromEnd] ^= 1;
        Files.write(file, bytes);
    }

    private static List<String> names(Path dir) throws Exception {
        try (Stream<Path> files = Files.list(dir)) {
            return files.map(p -> p.getFileName().toString()).sorted().toList();
        }
    }
}
