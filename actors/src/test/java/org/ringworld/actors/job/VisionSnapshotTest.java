package org.ringworld.actors.job;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.device.OpenJobs;
import org.ringworld.actors.links.Links;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.checkpoints.snapshot.DeviceShare;
import org.ringworld.checkpoints.snapshot.Snapshot;
import org.ringworld.model.attention.CausalMask;
import org.ringworld.model.attention.RingShares;
import org.ringworld.model.attention.ZigzagLayout;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.ring.RingPlaces;
import org.ringworld.model.training.Stage;
import org.ringworld.model.training.StepRows;
import org.ringworld.model.training.coordination.DeviceId;
import org.ringworld.model.training.coordination.Order;
import org.ringworld.model.training.coordination.Order.Weights;
import org.ringworld.model.training.coordination.Report;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.SaveRequest;
import org.ringworld.model.training.rank.HeldWork;
import org.ringworld.model.training.rank.ModelSource;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.packing.RowStream;
import org.ringworld.tokenizer.tasks.CopyTask;

/** The vision tables' weights and moments are in a snapshot like any others. */
class VisionSnapshotTest {
    private static final ActorTestKit KIT = ActorTestKit.create();
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final LlamaConfig MODEL = Jobs.MODEL.withVisionVocabSize(300);
    private static final Stage STAGE = Jobs.stage(32, 8, 1e-2, 1);

    /** Text rows whose second half is read as vision codes. */
    private static final RowStream ROWS =
            (step, seqLen, count) ->
                    new CopyTask(1, 0, new ByteTokenizer())
                            .rows(step, seqLen, count).stream()
                                    .map(VisionSnapshotTest::withVision)
                                    .toList();

    @TempDir private Path directory;

    private final TestProbe<Report> probe = KIT.createTestProbe();

    @AfterAll
    static void shutdown() {
        KIT.shutdownTestKit();
    }

    private static Row withVision(Row row) {
        boolean[] vision = new boolean[row.length()];
        Arrays.fill(vision, vision.length / 2, vision.length, true);
        return new Row(
                row.ids(),
                row.positions(),
                row.segments(),
                row.targets(),
                row.weights(),
                vision,
                vision);
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16"})
    void goingOnFromASnapshotIsNeverHavingStopped(DType dtype) throws Exception {
        Job job = Jobs.job(directory, 1, "zigzag", dtype, 100, STAGE);
        Steps whole = new Steps(new ModelSource.Random(MODEL, 1, 0.1), job);
        whole.run(0, 3);
        Path middle = whole.save(3);
        assertThat(moments(middle, LlamaTensors.VISION_EMBED_TOKENS)).isPositive();
        assertThat(moments(middle, LlamaTensors.VISION_HEAD)).isPositive();
        double right = whole.run(3, 6);

        Steps resumed = new Steps(new ModelSource.FromSnapshot(MODEL, middle), job);
        assertThat(resumed.run(3, 6)).isEqualTo(right);
        KIT.stop(whole.actor);
        KIT.stop(resumed.actor);
    }

    /** A ring of one that trains on rows with vision codes. */
    private final class Steps {
        final HeldWork work;
        final ActorRef<DeviceActor.Command> actor;

        Steps(ModelSource source, Job job) {
            work =
                    new HeldWork("work", source, job.dtype(), true, Recompute.Choice.AUTO) {
                        @Override
                        public List<SaveRequest> toSave(
                                long step, Order.SaveState order, List<DeviceShare> shares) {
                            SaveRequest.Training training =
                                    new SaveRequest.Training(
                                            job, 0, step, 0, order.epoch(), shares);
                            Path path = directory.resolve("snapshots/step-" + step);
                            return List.of(
                                    new SaveRequest(
                                            path, MODEL, "bytes", training, null, Fence.NONE));
                        }
                    };
            Links links = Links.inProcess();
            RingPlaces places = new RingPlaces(1, new byte[16], List.of(links.address()));
            OpenJobs jobs = new OpenJobs(work);
            actor = KIT.spawn(DeviceActor.create(0, new CpuDevice(1), links, jobs, () -> {}));
            ask(Report.Held.class, new Order.Leave(1, new DeviceId("device")));
            ask(Report.Prepared.class, new Order.Host(1, 0, "work", "", Weights.START, "", 0));
            ask(Report.Joined.class, new Order.JoinRing(1, 0, places));
        }

        private <T extends Report> T ask(Class<T> answer, Order order) {
            actor.tell(new DeviceActor.Ordered(order, probe.getRef()));
            return probe.expectMessageClass(answer, PATIENCE);
        }

        /** The loss and the gradient's norm of the last step: they tell of every weight. */
        double run(int from, int to) {
            double last = Double.NaN;
            for (int step = from; step < to; step++) {
                work.hold(
                        StepRows.of(
                                step + 1,
                                0,
                                STAGE,
                                step,
                                ROWS,
                                new ZigzagLayout(),
                                RingShares.even(1),
                                CausalMask.CAUSAL));
                Report.Stepped stepped =
                        ask(Report.Stepped.class, new Order.TrainStep(1, step + 1));
                last = stepped.outcome().lossSum() + stepped.outcome().gradNorm();
            }
            return last;
        }

        Path save(long step) {
            ask(Report.Copied.class, new Order.SaveState(1, 0, 0));
            assertThat(probe.expectMessageClass(Report.Saved.class, PATIENCE).step())
                    .isEqualTo(step);
            return directory.resolve("snapshots/step-" + step);
        }
    }

    private static double moments(Path snapshot, String name) throws Exception {
        TensorSpec spec =
                LlamaTensors.of(MODEL).stream()
                        .filter(s -> s.name().equals(name))
                        .findFirst()
                        .orElseThrow();
        try (Snapshot open = Snapshot.open(snapshot);
                Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(spec.count() * Float.BYTES, 64);
            open.read(spec, Snapshot.Part.V, DType.F32, host);
            double sum = 0;
            for (float v : host.toArray(ValueLayout.JAVA_FLOAT)) {
                sum += v;
            }
            return sum;
        }
    }
}
