package org.ringworld.actors.job;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.device.ModelSource;
import org.ringworld.actors.device.RingProtocol;
import org.ringworld.actors.links.Links;
import org.ringworld.actors.links.RankLinks;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.checkpoints.snapshot.Snapshot;
import org.ringworld.model.attention.Layout;
import org.ringworld.model.training.Stage;
import org.ringworld.model.training.StepPlan;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.SaveRequest;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.packing.RowStream;

/** The vision tables' weights and moments are in a snapshot like any others. */
class VisionSnapshotTest {
    private static final ActorTestKit KIT = ActorTestKit.create();
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final LlamaConfig MODEL = Jobs.MODEL.withVisionVocabSize(300);
    private static final Stage STAGE = Jobs.stage(32, 8, 1e-2, 1);

    /** Text rows whose second half is read as vision codes. */
    private static final RowStream ROWS =
            (step, seqLen, count) ->
                    RowStream.of("copy", 1, 0).rows(step, seqLen, count).stream()
                            .map(VisionSnapshotTest::withVision)
                            .toList();

    @TempDir private Path directory;

    private final TestProbe<DeviceActor.Reply> probe = KIT.createTestProbe();

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
        ActorRef<DeviceActor.Command> whole = member(new ModelSource.Random(MODEL, 1, 0.1), dtype);
        steps(whole, 0, 3);
        Path middle = save(whole, job, 3);
        assertThat(moments(middle, LlamaTensors.VISION_EMBED_TOKENS)).isPositive();
        assertThat(moments(middle, LlamaTensors.VISION_HEAD)).isPositive();
        double right = steps(whole, 3, 6);

        ActorRef<DeviceActor.Command> resumed =
                member(new ModelSource.FromSnapshot(MODEL, middle), dtype);
        assertThat(steps(resumed, 3, 6)).isEqualTo(right);
        KIT.stop(whole);
        KIT.stop(resumed);
    }

    private ActorRef<DeviceActor.Command> member(ModelSource source, DType dtype) {
        Links links = Links.inProcess();
        RankLinks.Places places = new RankLinks.Places(1, new byte[16], List.of(links.address()));
        ActorRef<DeviceActor.Command> actor =
                KIT.spawn(DeviceActor.create(0, new CpuDevice(1), links));
        actor.tell(new DeviceActor.Prepare(source, dtype, true, probe.getRef()));
        probe.expectMessageClass(DeviceActor.Prepared.class, PATIENCE);
        actor.tell(new RingProtocol.JoinRing(1, 0, places, probe.getRef()));
        probe.expectMessageClass(DeviceActor.Joined.class, PATIENCE);
        return actor;
    }

    /** The loss and the gradient's norm of the last step: they tell of every weight. */
    private double steps(ActorRef<DeviceActor.Command> actor, int from, int to) {
        return IntStream.range(from, to)
                .mapToObj(
                        step -> StepPlan.of(step + 1, 0, STAGE, step, ROWS, Layout.of("zigzag"), 1))
                .mapToDouble(
                        plan -> {
                            actor.tell(new DeviceActor.Step(1, plan, "auto", probe.getRef()));
                            DeviceActor.Stepped stepped =
                                    probe.expectMessageClass(DeviceActor.Stepped.class, PATIENCE);
                            return stepped.outcome().lossSum() + stepped.outcome().gradNorm();
                        })
                .reduce(Double.NaN, (_, last) -> last);
    }

    private Path save(ActorRef<DeviceActor.Command> actor, Job job, long step) {
        Path path = directory.resolve("snapshots/step-" + step);
        SaveRequest.Training training = new SaveRequest.Training(job, 0, step, 0, 1);
        SaveRequest request = new SaveRequest(path, MODEL, "bytes", training, Fence.NONE);
        actor.tell(new DeviceActor.Save(List.of(request), probe.getRef()));
        probe.expectMessageClass(DeviceActor.Copied.class, PATIENCE);
        probe.expectMessageClass(DeviceActor.Saved.class, PATIENCE);
        return path;
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
            open.read(spec, Snapshot.Part.V, host);
            double sum = 0;
            for (float v : host.toArray(ValueLayout.JAVA_FLOAT)) {
                sum += v;
            }
            return sum;
        }
    }
}
