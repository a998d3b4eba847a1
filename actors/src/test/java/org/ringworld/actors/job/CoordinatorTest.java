package org.ringworld.actors.job;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.device.OpenJobs;
import org.ringworld.actors.links.Links;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.checkpoints.snapshot.DeviceShare;
import org.ringworld.checkpoints.snapshot.Snapshot;
import org.ringworld.checkpoints.snapshot.SnapshotFile;
import org.ringworld.model.training.Stage;
import org.ringworld.model.training.StepMetrics;
import org.ringworld.model.training.coordination.Progress;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobData;
import org.ringworld.model.training.rank.OpenJob;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.DeviceLostException;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.tokenizer.ByteTokenizer;

class CoordinatorTest {
    private static final ActorTestKit KIT = ActorTestKit.create();
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    @TempDir private Path directory;

    @AfterAll
    static void shutdown() {
        KIT.shutdownTestKit();
    }

    record Ended(
            Progress last,
            List<StepMetrics> steps,
            List<Path> saved,
            List<Long> notSaved,
            List<Progress> evaluating) {}

    interface OnStep {
        void step(StepMetrics metrics, ActorRef<Coordinator.Command> coordinator) throws Exception;
    }

    static Supplier<Device> cpu() {
        return () -> new CpuDevice(1);
    }

    private static List<Supplier<Device>> cpus(int size) {
        return new ArrayList<>(java.util.Collections.nCopies(size, cpu()));
    }

    /** CPUs of which one fails in the call of a kernel. */
    private static List<Supplier<Device>> withFault(
            int size, int rank, String kernel, int call, Runnable fault) {
        List<Supplier<Device>> devices = cpus(size);
        devices.set(rank, () -> new FaultyDevice(kernel, call, fault));
        return devices;
    }

    static Ended run(Job job, List<Supplier<Device>> devices, OnStep onStep) throws Exception {
        return run(job, devices, Fence.claim(job.output()), onStep);
    }

    private static Ended run(Job job, List<Supplier<Device>> devices, Fence fence, OnStep onStep)
            throws Exception {
        TestProbe<Progress> probe = KIT.createTestProbe();
        OpenJob hosted = new OpenJob("job", job, JobData.open(job, new ByteTokenizer()));
        Links links = Links.inProcess();
        OpenJobs host = new OpenJobs(hosted);
        List<ActorRef<DeviceActor.Command>> actors = new ArrayList<>();
        for (Supplier<Device> device : devices) {
            actors.add(
                    KIT.spawn(
                            DeviceActor.create(
                                    actors.size(), device.get(), links, host, () -> {})));
        }
        ActorRef<Coordinator.Command> coordinator =
                KIT.spawn(
                        Coordinator.create(
                                hosted,
                                actors,
                                1e12,
                                Epochs.from(1),
                                fence,
                                false,
                                probe.getRef(),
                                null));
        List<StepMetrics> steps = new ArrayList<>();
        List<Path> saved = new ArrayList<>();
        List<Long> notSaved = new ArrayList<>();
        List<Progress> evaluating = new ArrayList<>();
        while (true) {
            Progress progress = probe.receiveMessage(PATIENCE);
            switch (progress) {
                case Progress.Stepped stepped -> {
                    steps.add(stepped.metrics());
                    onStep.step(stepped.metrics(), coordinator);
                }
                case Progress.Saved s -> saved.add(s.path());
                case Progress.NotSaved not -> notSaved.add(not.step());
                case Progress.Evaluating _, Progress.Evaluated _ -> evaluating.add(progress);
                case Progress.Completed _, Progress.Interrupted _, Progress.Failed _ -> {
                    probe.expectTerminated(coordinator, PATIENCE);
                    actors.forEach(KIT::stop);
                    return new Ended(progress, steps, saved, notSaved, evaluating);
                }
                case Progress.Formed _,
                        Progress.Waiting _,
                        Progress.Regrouping _,
                        Progress.Straggler _,
                        Progress.StageBegun _,
                        Progress.Examined _,
                        Progress.Copied _ -> {}
            }
        }
    }

    static final OnStep NOTHING = (metrics, coordinator) -> {};

    private static List<float[]> weights(Path model) throws Exception {
        List<float[]> all = new ArrayList<>();
        try (ModelFiles files = ModelFiles.open(model);
                Arena arena = Arena.ofConfined()) {
            for (TensorSpec spec : LlamaTensors.of(files.config())) {
                MemorySegment host = arena.allocate(Tensor.count(spec.shape()) * Float.BYTES, 64);
                files.read(spec, DType.F32, host);
                all.add(host.toArray(ValueLayout.JAVA_FLOAT));
            }
        }
        return all;
    }

    private static double difference(List<float[]> a, List<float[]> b) {
        double worst = 0;
        for (int i = 0; i < a.size(); i++) {
            for (int j = 0; j < a.get(i).length; j++) {
                worst = Math.max(worst, Math.abs(a.get(i)[j] - b.get(i)[j]));
            }
        }
        return worst;
    }

    @Test
    void aJobRunsThroughItsStagesAndSavesEach() throws Exception {
        Stage first = Jobs.stage(16, 12, 1e-2, 1);
        Stage second = Jobs.stage(32, 5, 1e-3, 2);
        Job job = Jobs.job(directory, 2, "zigzag", DType.F32, 7, first, second);
        Ended ended = run(job, cpus(2), NOTHING);
        assertThat(ended.last).isEqualTo(new Progress.Completed(directory.resolve("final")));
        assertThat(ended.steps.stream().map(StepMetrics::step).toList())
                .isEqualTo(java.util.stream.LongStream.rangeClosed(1, 17).boxed().toList());
        assertThat(ended.steps.get(11).stage()).isZero();
        assertThat(ended.steps.get(12).stage()).isEqualTo(1);
        assertThat(ended.steps.getLast().loss()).isLessThan(ended.steps.getFirst().loss());
        assertThat(directory.resolve("stages/0-16/config.json")).exists();
        assertThat(directory.resolve("stages/1-32/model.safetensors")).exists();
        assertThat(directory.resolve("final/tokenizer.json")).exists();
        try (java.util.stream.Stream<Path> kept = Files.list(directory.resolve("snapshots"))) {
            assertThat(kept.map(p -> p.getFileName().toString()).toList())
                    .containsExactlyInAnyOrder("step-14", "step-17");
        }
        try (ModelFiles files = ModelFiles.open(directory)) {
            assertThat(files.config().maxPositionEmbeddings()).isEqualTo(32);
        }
    }

    @Test
    void eachBatchOfUnseenRowsIsToldBeforeItIsEvaluated() throws Exception {
        Stage copy = Jobs.stage(256, 1, 1e-3, 1);
        Stage needles =
                new Stage(
                        "needles",
                        Stage.Task.NEEDLES,
                        256,
                        List.of(),
                        1e4,
                        1,
                        1024,
                        1,
                        copy.optimizer());
        Ended ended =
                run(Jobs.job(directory, 2, "zigzag", DType.F32, 100, needles), cpus(2), NOTHING);
        assertThat(ended.last).isInstanceOf(Progress.Completed.class);
        List<Progress> told = new ArrayList<>(ended.evaluating);
        for (int stage = -1; stage <= 0; stage++) {
            int of = ((Progress.Evaluating) told.getFirst()).of();
            for (int batch = 0; batch < of; batch++) {
                assertThat(told.removeFirst()).isEqualTo(new Progress.Evaluating(batch, of));
            }
            assertThat(((Progress.Evaluated) told.removeFirst()).moment()).isEqualTo(stage);
        }
        assertThat(told).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({"2,zigzag,1", "3,striped,2", "4,contiguous,4", "1,zigzag,3"})
    void weightsDoNotDependOnRingLayoutOrMicroBatches(int size, String layout, int microBatches)
            throws Exception {
        Path alone = directory.resolve("alone");
        Path ring = directory.resolve("ring");
        run(
                Jobs.job(alone, 1, "zigzag", DType.F32, 100, Jobs.stage(24, 4, 1e-3, 1)),
                cpus(1),
                NOTHING);
        run(
                Jobs.job(ring, size, layout, DType.F32, 100, Jobs.stage(24, 4, 1e-3, microBatches)),
                cpus(size),
                NOTHING);
        assertThat(difference(weights(ring), weights(alone))).isLessThan(3e-5);
    }

    @Test
    void devicesOfUnlikeKindsKeepTheirSharesInTheSnapshot() throws Exception {
        Stage stage = Jobs.stage(48, 8, 1e-3, 1);
        Path whole = directory.resolve("whole");
        Path mixed = directory.resolve("mixed");
        run(Jobs.job(whole, 2, "zigzag", DType.F32, 100, stage), cpus(2), NOTHING);
        Job job = Jobs.job(mixed, 2, "zigzag", DType.F32, 100, stage);
        run(
                job,
                List.of(cpu(), () -> new CpuDevice(2)),
                (metrics, coordinator) -> {
                    if (metrics.step() == 4) {
                        coordinator.tell(new Coordinator.Stop());
                    }
                });
        DeviceShare one = new DeviceShare("cpu (1 thread)", 3);
        DeviceShare two = new DeviceShare("cpu (2 threads)", 13);
        Snapshot.Position stopped = position(mixed);
        assertThat(stopped.shares())
                .extracting(DeviceShare::kind)
                .containsExactlyInAnyOrder(one.kind(), two.kind());
        assertThat(stopped.shares().stream().mapToInt(DeviceShare::sixteenths).sum()).isEqualTo(16);
        // Such as nobody would measure here.
        keep(mixed.resolve("snapshots/step-" + stopped.step()), stopped, List.of(two, one));
        Ended second = run(job, List.of(() -> new CpuDevice(2), cpu()), NOTHING);
        assertThat(second.last).isInstanceOf(Progress.Completed.class);
        assertThat(position(mixed).step()).isEqualTo(8);
        assertThat(position(mixed).shares()).containsExactlyInAnyOrder(one, two);
        assertThat(difference(weights(mixed), weights(whole))).isLessThan(3e-5);
    }

    static Snapshot.Position position(Path run) throws Exception {
        try (Snapshot newest = Snapshot.newest(run).snapshot()) {
            return newest.progress();
        }
    }

    private static void keep(Path snapshot, Snapshot.Position p, List<DeviceShare> shares)
            throws Exception {
        Files.delete(snapshot.resolve(SnapshotFile.NAME));
        SnapshotFile.write(
                snapshot,
                new Snapshot.Position(
                        p.step(),
                        p.stage(),
                        p.stepInStage(),
                        p.optimizerUpdates(),
                        p.tokensSeen(),
                        p.epoch(),
                        p.seed(),
                        p.jobConf(),
                        p.ringSize(),
                        p.layout(),
                        shares),
                Map.of());
    }

    @ParameterizedTest
    @CsvSource({"F32, F32", "BF16, F32", "BF16, BF16"})
    void aStoppedJobGoesOnAsIfItHadNotStopped(DType dtype, DType firstMoment) throws Exception {
        Stage stage = Jobs.stage(16, 10, 1e-2, 1, firstMoment);
        Path whole = directory.resolve("whole");
        Path stopped = directory.resolve("stopped");
        run(Jobs.job(whole, 2, "zigzag", dtype, 100, stage), cpus(2), NOTHING);
        Job job = Jobs.job(stopped, 2, "zigzag", dtype, 100, stage);
        Ended first =
                run(
                        job,
                        cpus(2),
                        (metrics, coordinator) -> {
                            if (metrics.step() == 4) {
                                coordinator.tell(new Coordinator.Stop());
                            }
                        });
        assertThat(first.last).isInstanceOf(Progress.Interrupted.class);
        long step = ((Progress.Interrupted) first.last).step();
        assertThat(step).isBetween(4L, 7L);
        weights(stopped); // opens as a model
        Ended second = run(job, cpus(2), NOTHING);
        assertThat(second.last).isInstanceOf(Progress.Completed.class);
        assertThat(second.steps.getFirst().step()).isEqualTo(step + 1);
        assertThat(difference(weights(stopped), weights(whole))).isZero();
    }

    @Test
    void aStoppedJobGoesOnInARingOfAnotherSize() throws Exception {
        Stage stage = Jobs.stage(24, 8, 1e-3, 1);
        Path whole = directory.resolve("whole");
        Path stopped = directory.resolve("stopped");
        run(Jobs.job(whole, 2, "zigzag", DType.F32, 100, stage), cpus(2), NOTHING);
        run(
                Jobs.job(stopped, 2, "zigzag", DType.F32, 100, stage),
                cpus(2),
                (metrics, coordinator) -> {
                    if (metrics.step() == 3) {
                        coordinator.tell(new Coordinator.Stop());
                    }
                });
        Job other = Jobs.job(stopped, 3, "striped", DType.F32, 100, stage);
        Ended second = run(other, cpus(3), NOTHING);
        assertThat(second.last).isInstanceOf(Progress.Completed.class);
        assertThat(second.steps).isNotEmpty();
        assertThat(difference(weights(stopped), weights(whole))).isLessThan(3e-5);
    }

    @Test
    void trainingGoesOnWhereASnapshotCannotBeWritten() throws Exception {
        Job job = Jobs.job(directory, 2, "zigzag", DType.F32, 2, Jobs.stage(16, 12, 1e-2, 1));
        Path snapshots = directory.resolve("snapshots");
        Files.writeString(snapshots, "a file where the directory should be");
        Ended ended =
                run(
                        job,
                        cpus(2),
                        (metrics, coordinator) -> {
                            if (metrics.step() == 7) {
                                snapshots.toFile().delete();
                            }
                        });
        assertThat(ended.last).isEqualTo(new Progress.Completed(directory.resolve("final")));
        assertThat(ended.notSaved).contains(2L).doesNotContain(12L);
        assertThat(ended.saved).contains(snapshots.resolve("step-12"));
        Snapshot.open(snapshots.resolve("step-12")).close();
    }

    @Test
    void anOwnerWhoseSuccessorHasBegunWritesNoMore() throws Exception {
        Job job = Jobs.job(directory, 2, "zigzag", DType.F32, 2, Jobs.stage(16, 400, 1e-2, 1));
        Fence fence = Fence.claim(directory);
        Ended ended =
                run(
                        job,
                        cpus(2),
                        fence,
                        (metrics, coordinator) -> {
                            if (metrics.step() == 3) {
                                fence.release();
                                Fence.claim(directory);
                            }
                        });
        assertThat(((Progress.Failed) ended.last).sentence()).contains("taken it over");
        assertThat(ended.steps.size()).isLessThan(400);
        assertThat(directory.resolve("final")).doesNotExist();
    }

    @Test
    void aRunStoppedJustAfterItsLastStepStillGetsItsModels() throws Exception {
        Job job = Jobs.job(directory, 2, "zigzag", DType.F32, 100, Jobs.stage(16, 3, 1e-2, 1));
        run(job, cpus(2), NOTHING);
        List<float[]> trained = weights(directory.resolve("final"));
        // As a stop leaves it: the snapshot is there, the models are not.
        for (String model : List.of("final", "stages/0-16")) {
            try (java.util.stream.Stream<Path> files = Files.list(directory.resolve(model))) {
                for (Path file : files.toList()) {
                    Files.delete(file);
                }
            }
            Files.delete(directory.resolve(model));
        }
        Ended again = run(job, cpus(2), NOTHING);
        assertThat(again.last).isInstanceOf(Progress.Completed.class);
        assertThat(again.steps).isEmpty();
        assertThat(directory.resolve("stages/0-16/config.json")).exists();
        assertThat(difference(weights(directory.resolve("final")), trained)).isZero();
    }

    @Test
    void aFaultInAKernelStopsTheJobWithTheLastGoodStateSaved() throws Exception {
        // Layers × tiles × hops: some step after the first ones, in the middle of attention.
        List<Supplier<Device>> devices =
                withFault(
                        3,
                        1,
                        "attention",
                        40,
                        () -> {
                            throw new IllegalStateException("a unit on the card failed");
                        });
        Job job = Jobs.job(directory, 3, "zigzag", DType.F32, 100, Jobs.stage(16, 50, 1e-2, 1));
        Ended ended = run(job, devices, NOTHING);
        assertThat(ended.last).isInstanceOf(Progress.Failed.class);
        Progress.Failed failed = (Progress.Failed) ended.last;
        assertThat(failed.sentence()).contains("a unit on the card failed");
        assertThat(failed.step()).isPositive();
        assertThat(failed.snapshot())
                .isEqualTo(directory.resolve("snapshots/step-" + failed.step()));
        weights(failed.snapshot());
    }

    /** A card with an uncorrectable error; which errors are such is the device's to say. */
    @Test
    void aDeviceThatIsLostLeavesTheRingAndTrainingGoesOn() throws Exception {
        List<Supplier<Device>> devices =
                withFault(
                        3,
                        1,
                        "attention",
                        40,
                        () -> {
                            throw new DeviceLostException("an uncorrectable error");
                        });
        Job job = Jobs.job(directory, 3, "zigzag", DType.F32, 100, Jobs.stage(16, 50, 1e-2, 1));
        Ended ended = run(job, devices, NOTHING);
        assertThat(ended.last).isInstanceOf(Progress.Completed.class);
    }

    @Test
    void anErrorOfTheDevicesMemoryIsToldAndStateSaved() throws Exception {
        List<Supplier<Device>> devices =
                withFault(
                        2,
                        0,
                        "swiGluBackward",
                        9,
                        () -> {
                            throw new OutOfMemoryError("123 bytes for a tensor");
                        });
        Job job = Jobs.job(directory, 2, "zigzag", DType.F32, 100, Jobs.stage(16, 50, 1e-2, 1));
        Ended ended = run(job, devices, NOTHING);
        assertThat(((Progress.Failed) ended.last).sentence()).contains("out of memory");
        assertThat(((Progress.Failed) ended.last).snapshot()).exists();
    }

    @Test
    void aLossThatIsNotANumberLeavesTheWeightsAsTheyWere() throws Exception {
        Stage stage = Jobs.stage(16, 30, 1e30, 1);
        Job job = Jobs.job(directory, 2, "zigzag", DType.F32, 100, stage);
        Ended ended = run(job, cpus(2), NOTHING);
        assertThat(ended.last).isInstanceOf(Progress.Failed.class);
        Progress.Failed failed = (Progress.Failed) ended.last;
        assertThat(failed.sentence()).contains("step ").contains("gradient norm");
        for (float[] tensor : weights(failed.snapshot())) {
            for (float weight : tensor) {
                assertThat(Float.isFinite(weight)).isTrue();
            }
        }
    }
}
