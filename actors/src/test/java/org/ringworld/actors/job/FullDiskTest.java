package org.ringworld.actors.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.device.OpenJobs;
import org.ringworld.actors.links.Links;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.RopeScaling;
import org.ringworld.checkpoints.snapshot.Snapshot;
import org.ringworld.model.training.Stage;
import org.ringworld.model.training.coordination.Progress;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobData;
import org.ringworld.model.training.rank.OpenJob;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.tokenizer.ByteTokenizer;
import tools.jackson.databind.json.JsonMapper;

/** A file system of its own that somebody else fills while a snapshot is being written. */
@EnabledOnOs(OS.LINUX)
class FullDiskTest {
    private static final ActorTestKit KIT = ActorTestKit.create();
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final Pattern NAME = Pattern.compile("(\\.?)step-(\\d+)(\\..*)?");
    private static final int STEPS = 24;

    /** 22 MiB a snapshot. */
    private static final LlamaConfig MODEL =
            new LlamaConfig(
                    30_000, 32, 24, 1, 2, 1, 8, 1e-5, 1e4, new RopeScaling.None(), false, 64, 0);

    /** Beside two snapshots it leaves room for a third, and little more. */
    private static final int BALLAST = 55 << 20;

    @TempDir private Path disk;

    private final ByteBuffer some = ByteBuffer.allocateDirect(1 << 20);
    private boolean mounted;

    @BeforeEach
    void mount() throws Exception {
        mounted = run("mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", disk.toString());
        assumeTrue(mounted, "a file system of a size of its own cannot be mounted here");
    }

    @AfterEach
    void unmount() throws Exception {
        if (mounted) {
            assertThat(run("umount", "--lazy", disk.toString())).isTrue();
        }
    }

    @AfterAll
    static void shutdown() {
        KIT.shutdownTestKit();
    }

    private static boolean run(String... command) throws Exception {
        try {
            Process process =
                    new ProcessBuilder(command)
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .start();
            return process.waitFor(10, TimeUnit.SECONDS) && process.exitValue() == 0;
        } catch (IOException e) {
            return false;
        }
    }

    /** The step whose snapshot is being written; 0: none is. What is being deleted is older. */
    private long beingWritten() throws IOException {
        Path snapshots = disk.resolve("run/snapshots");
        if (!Files.isDirectory(snapshots)) {
            return 0;
        }
        long written = 0;
        long begun = 0;
        try (Stream<Path> inside = Files.list(snapshots)) {
            for (Path path : inside.toList()) {
                Matcher name = NAME.matcher(path.getFileName().toString());
                if (name.matches()) {
                    long step = Long.parseLong(name.group(2));
                    written = name.group(1).isEmpty() ? Math.max(written, step) : written;
                    begun = name.group(1).isEmpty() ? begun : Math.max(begun, step);
                }
            }
        }
        return begun > written ? begun : 0;
    }

    /**
     * Takes all room as soon as a snapshot has been begun, until it is gone; and again, should it
     * have been ready before. While the disk is full the one before must load.
     *
     * @return the step whose snapshot was lost
     */
    private long fillOnce() throws Exception {
        while (true) {
            long step = beingWritten();
            if (step < 6) {
                Thread.onSpinWait();
                continue;
            }
            take("hog", 1 << 30);
            while (beingWritten() == step) {
                Thread.onSpinWait();
            }
            boolean lost = !Files.exists(disk.resolve("run/snapshots/step-" + step));
            if (lost) {
                try (Snapshot older = Snapshot.newest(disk.resolve("run")).snapshot()) {
                    assertThat(older.progress().step()).isBetween(2L, step - 2);
                }
            }
            Files.delete(disk.resolve("hog"));
            if (lost) {
                Files.delete(disk.resolve("ballast"));
                return step;
            }
        }
    }

    /** Takes so many bytes of room, or all there is. */
    private void take(String name, int bytes) throws IOException {
        try (FileChannel file =
                FileChannel.open(
                        disk.resolve(name), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            while (file.size() < bytes) {
                file.write(some.clear());
            }
        } catch (IOException e) {
            assertThat(e).hasMessage("No space left on device");
        }
    }

    @Test
    void trainingGoesOnAndTheNextSnapshotIsWrittenWhenThereIsRoom() throws Exception {
        Stage stage = Jobs.stage(16, STEPS, 1e-2, 1);
        Job job = Jobs.job(disk.resolve("run"), MODEL, 1, "zigzag", DType.F32, 2, stage);
        Files.createDirectories(job.output());
        take("ballast", BALLAST);
        FutureTask<Long> hog = new FutureTask<>(this::fillOnce);
        Thread.ofPlatform().daemon().start(hog);
        TestProbe<Progress> probe = KIT.createTestProbe();
        OpenJob hosted = new OpenJob("job", job, JobData.open(job, new ByteTokenizer()));
        ActorRef<DeviceActor.Command> device =
                KIT.spawn(
                        DeviceActor.create(
                                0,
                                new CpuDevice(1),
                                Links.inProcess(),
                                new OpenJobs(hosted),
                                () -> {}));
        Fence fence = Fence.claim(job.output());
        KIT.spawn(
                Coordinator.create(
                        hosted,
                        List.of(device),
                        1e12,
                        Epochs.from(1),
                        fence,
                        false,
                        probe.getRef(),
                        null));
        List<String> sentences = new ArrayList<>();
        List<Long> saved = new ArrayList<>();
        Progress progress = null;
        while (!(progress instanceof Progress.Completed)) {
            progress = probe.receiveMessage(PATIENCE);
            switch (progress) {
                case Progress.NotSaved not -> sentences.add(not.sentence());
                case Progress.Saved s -> saved.add(s.step());
                case Progress.Failed failed -> throw new AssertionError(failed.sentence());
                default -> {}
            }
        }
        long lost = hog.get(1, TimeUnit.SECONDS);
        // Which of the snapshot's files met the full disk, or its directory, is the hog's luck.
        assertThat(sentences)
                .anyMatch(
                        told ->
                                told.matches(
                                        ".*/\\.?step-%d[.:].*No space left on device"
                                                .formatted(lost)));
        assertThat(saved).doesNotContain(lost).contains((long) STEPS);
        assertThat(saved).anyMatch(step -> step > lost && step < STEPS);
        assertThat(beingWritten()).isZero();
        Snapshot.open(disk.resolve("run/snapshots/step-" + STEPS)).close();
        List<String> lines = Files.readAllLines(disk.resolve("run/metrics.jsonl"));
        assertThat(lines)
                .extracting(line -> JsonMapper.shared().readTree(line).get("step").asLong())
                .isEqualTo(LongStream.rangeClosed(1, STEPS).boxed().toList());
    }
}
