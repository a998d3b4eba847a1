package org.ringworld.model.training.coordination;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import org.ringworld.model.ring.LinkAddress;
import org.ringworld.model.training.LossPart;
import org.ringworld.model.training.StepMetrics;
import org.ringworld.model.training.StepPlan;
import org.ringworld.model.training.TimeSpent;
import org.ringworld.model.training.TrainingStep;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.Probe;
import org.ringworld.tokenizer.packing.Row;

/**
 * Devices, files and a network without any of them: orders and reports travel in an order that
 * chance decides (each device's own stay in theirs), devices die and come, and every rule that a
 * real one relies on is checked as it happens. The devices run the code of real ones, {@link
 * DeviceEpochs} and {@link FinishedSteps}; their weights are the list of the steps that made them.
 */
final class SimulatedCluster {
    /** What is late has one chance in so many at each turn: meanwhile a new ring may stand. */
    private static final int LATE = 12;

    private static final long SECOND = Duration.ofSeconds(1).toNanos();

    private record Snapshot(long step, List<Long> weights) {}

    private final Random random;
    private final Job job;
    private JobDecisions decisions;
    private final Map<DeviceId, SimulatedDevice> devices = new LinkedHashMap<>();
    private final Map<Long, Map<Integer, SimulatedDevice>> rings = new TreeMap<>();

    /** On their way when who sent them died. */
    private final Deque<Report> lateReports = new ArrayDeque<>();

    private final Map<SimulatedDevice, Deque<SimulatedDevice.Ordered>> lateOrders =
            new LinkedHashMap<>();
    private final Set<DeviceId> leaving = new HashSet<>();
    private final Deque<Event> events = new ArrayDeque<>();
    private final List<Event.PauseOver> pauses = new ArrayList<>();
    private final List<StepMetrics> metrics = new ArrayList<>();
    private boolean metricsOpen;
    private Snapshot snapshot;
    private boolean diskIsFull;
    private long nanos = 1;
    private long epoch;
    private int born;
    private int coordinator;
    private Progress last;

    SimulatedCluster(long seed, Job job) {
        this.random = new Random(seed);
        this.job = job;
        begin(false);
    }

    // ---- what a test does

    /** A coordinator begins, with all devices that live; the one before, if any, is gone. */
    void begin(boolean resumed) {
        decisions = new JobDecisions(job, "job", 1e12, 7, resumed, true, this::evaluation);
        coordinator++;
        metricsOpen = false;
        pauses.clear();
        devices.values().forEach(d -> d.reports.clear());
        lateReports.clear();
        for (SimulatedDevice device : devices.values()) {
            lateOrders.computeIfAbsent(device, _ -> new ArrayDeque<>()).addAll(device.orders);
            device.orders.clear(); // of another sender: they may come after the new one's
        }
        last = null;
        on(members(false));
    }

    /** By nothing but exams, which are passed in a stage's second round. */
    private Evaluation evaluation(int moment) {
        if (!job.exams().containsKey(moment)) {
            return new Evaluation(List.of(), List.of());
        }
        int seqLen = job.curriculum().stages().get(moment).seqLen();
        int[] one = {0};
        Row row = new Row(one, one, one, one, new float[] {1});
        Probe probe = new Probe(new Probe.Needles(1), seqLen, Double.NaN, List.of(row));
        Evaluation evaluation = new Evaluation(List.of(probe), List.of());
        long enough = 2 * job.curriculum().lastStep(moment);
        evaluation.add(0, 0, 0, metrics.size() < enough ? 0 : 1);
        return evaluation;
    }

    void come() {
        DeviceId id = new DeviceId("device-" + born++);
        devices.put(id, new SimulatedDevice(id));
        on(members(false));
    }

    /** One dies; what it said and nobody has heard may still arrive. */
    void die() {
        if (devices.isEmpty()) {
            return;
        }
        SimulatedDevice dead = List.copyOf(devices.values()).get(random.nextInt(devices.size()));
        devices.remove(dead.id);
        leaving.remove(dead.id);
        lateReports.addAll(dead.reports);
        lateOrders.remove(dead);
        breakRing(dead.ringEpoch, "device " + dead.id + " died");
        on(random.nextBoolean() ? new Event.Lost(dead.id) : members(false));
    }

    /** One is asked to leave between steps; it goes on until the coordinator lets go of it. */
    void drain() {
        if (size() < 2) {
            return;
        }
        List<DeviceId> stay = members(false).devices();
        leaving.add(stay.get(random.nextInt(stay.size())));
        on(members(true));
    }

    /** The next piece of work of some device fails by a fault of its own. */
    void breakSomething() {
        if (size() > 0) {
            List<SimulatedDevice> all = List.copyOf(devices.values());
            all.get(random.nextInt(all.size())).faulty = true;
        }
    }

    /** The disk is full from now on, or has room again. */
    void fillDisk(boolean full) {
        diskIsFull = full;
    }

    void stop() {
        on(new Event.StopAsked());
    }

    /** Something that is on its way arrives, or some device gets on, or time passes. */
    void something() {
        List<Runnable> possible = new ArrayList<>();
        for (SimulatedDevice device : devices.values()) {
            if (!device.orders.isEmpty()) {
                possible.add(() -> take(device, device.orders.remove()));
            }
            if (!device.work.isEmpty()) {
                possible.add(() -> work(device));
            }
            if (!device.reports.isEmpty()) {
                possible.add(() -> on(new Event.Told(device.reports.remove())));
            }
        }
        if (!lateReports.isEmpty() && random.nextInt(LATE) == 0) {
            possible.add(() -> on(new Event.Told(lateReports.remove())));
        }
        lateOrders.forEach(
                (device, orders) -> {
                    if (!orders.isEmpty() && random.nextInt(LATE) == 0) {
                        possible.add(() -> take(device, orders.remove()));
                    }
                });
        for (Event.PauseOver pause : pauses) {
            possible.add(
                    () -> {
                        pauses.remove(pause);
                        on(pause);
                    });
        }
        if (possible.isEmpty() || random.nextInt(50) == 0) {
            nanos += SECOND;
            on(new Event.Tick());
        } else {
            nanos += 1000;
            possible.get(random.nextInt(possible.size())).run();
        }
    }

    /** How the job ended; null: it has not. */
    Progress ended() {
        return last;
    }

    /** Devices that live and stay. */
    int size() {
        return devices.size() - leaving.size();
    }

    List<Long> metrics() {
        return metrics.stream().map(StepMetrics::step).toList();
    }

    /** Steps on record of a stage. */
    long stepsOf(int stage) {
        return metrics.stream().filter(line -> line.stage() == stage).count();
    }

    /** The steps that made the weights that were saved last. */
    List<Long> saved() {
        return snapshot == null ? List.of() : snapshot.weights;
    }

    private Event.Devices members(boolean gracefully) {
        List<DeviceId> stay = new ArrayList<>(devices.keySet());
        stay.removeAll(leaving);
        return new Event.Devices(stay, gracefully);
    }

    // ---- the coordinator's side

    private void on(Event event) {
        if (last != null) {
            return;
        }
        events.add(event);
        while (!events.isEmpty()) {
            for (Effect effect : decisions.on(events.remove(), nanos)) {
                carryOut(effect);
            }
        }
    }

    private void carryOut(Effect effect) {
        switch (effect) {
            case Effect.Tell tell -> {
                SimulatedDevice device = devices.get(tell.device());
                if (device != null) {
                    device.orders.add(new SimulatedDevice.Ordered(tell.order(), coordinator));
                }
            }
            case Effect.TakeEpoch _ -> events.add(new Event.EpochTaken(++epoch, new byte[0]));
            case Effect.FindSnapshot _ ->
                    events.add(
                            new Event.SnapshotFound(snapshot == null ? "" : "snapshot", List.of()));
            case Effect.OpenMetrics open -> {
                boolean continued = metricsOpen && metrics.size() <= open.step();
                while (metrics.size() > open.step()) {
                    metrics.removeLast();
                }
                metricsOpen = true;
                List<StepMetrics> earlier = continued ? List.of() : List.copyOf(metrics);
                events.add(new Event.MetricsOpened(continued, metrics.size(), earlier));
            }
            case Effect.WriteMetrics write -> {
                assertThat(write.line().step())
                        .as("no gap, no double")
                        .isEqualTo(metrics.size() + 1L);
                for (SimulatedDevice device : devices.values()) {
                    boolean inRing = device.ringEpoch == epoch && !isBroken(epoch);
                    if (inRing) {
                        assertThat(device.finished.step())
                                .as("a line of a step that is over on all ranks")
                                .isGreaterThanOrEqualTo(write.line().step());
                    }
                }
                metrics.add(write.line());
            }
            case Effect.SyncMetrics _ -> events.add(new Event.MetricsSynced());
            case Effect.Pause pause -> pauses.add(new Event.PauseOver(pause.epoch()));
            case Effect.Notify notify ->
                    last = notify.progress().isLast() ? notify.progress() : null;
            case Effect.TakeOut out -> {
                SimulatedDevice device = devices.remove(out.device());
                leaving.remove(out.device());
                if (device != null) {
                    breakRing(device.ringEpoch, "taken out");
                    events.add(new Event.Lost(out.device()));
                }
            }
            case Effect.Log _, Effect.ReleaseOutput _, Effect.End _ -> {}
        }
    }

    // ---- the devices' side

    private void take(SimulatedDevice device, SimulatedDevice.Ordered ordered) {
        Order order = ordered.order();
        if (!device.epochs.follows(order)) {
            return;
        }
        switch (order) {
            case Order.Leave _, Order.Release _ -> {
                breakRing(device.ringEpoch, device.id + " left");
                device.ringEpoch = -1;
                device.work.add(ordered);
            }
            case Order.JoinRing join -> {
                device.ringEpoch = join.epoch();
                device.ringSize = join.places().size();
                device.work.add(ordered);
            }
            case Order.Pulse _ ->
                    report(
                            device,
                            ordered.coordinator(),
                            new Report.Pulsed(
                                    device.epochs.rank(), order.epoch(), nanos, !device.isBusy()));
            default -> device.work.add(ordered);
        }
    }

    /** The first of its work that it can do; work with others waits for them. */
    private void work(SimulatedDevice device) {
        SimulatedDevice.Ordered ordered = device.work.peek();
        Order order = ordered.order();
        int to = ordered.coordinator();
        int rank = device.epochs.rank();
        switch (order) {
            case Order.Leave leave ->
                    report(
                            device,
                            to,
                            new Report.Held(
                                    leave.device(),
                                    leave.epoch(),
                                    new LinkAddress(device.id.name(), "host", 1, ""),
                                    "cpu",
                                    device.job,
                                    device.job.isEmpty()
                                            ? FinishedSteps.NOTHING
                                            : device.finished.step(),
                                    device.finished.records(),
                                    List.of()));
            case Order.Host host -> host(device, host, to);
            case Order.JoinRing join -> {
                Map<Integer, SimulatedDevice> ring = ring(join.epoch());
                ring.put(join.rank(), device);
                if (device.ringEpoch == join.epoch() && ring.size() < device.ringSize) {
                    return; // waits for its neighbours' seats
                }
                report(device, to, new Report.Joined(join.rank(), join.epoch()));
            }
            case Order.Synchronize take -> {
                SimulatedDevice giver = ring(take.epoch()).get(take.from());
                device.finished.takesOver(rank == take.from(), take.step());
                if (isBroken(take.epoch())) {
                    fail(device, order, to, "the ring broke");
                    return;
                }
                device.weights = giver.weights;
                device.finished.tookOver(take.step(), take.records());
                report(device, to, new Report.Synchronized(rank, take.epoch(), take.step()));
            }
            case Order.TrainStep step when device.faulty -> {
                device.faulty = false;
                breakRing(step.epoch(), "a kernel of " + device.id + " failed");
                report(
                        device,
                        to,
                        new Report.Failed(
                                rank, step.epoch(), device.finished.step(), false, "a kernel"));
            }
            case Order.TrainStep step -> {
                if (!train(device, step, to)) {
                    return;
                }
            }
            case Order.SaveState save -> save(device, save, to);
            case Order.Release _ -> {
                device.job = "";
                device.finished.begin(FinishedSteps.NOTHING);
                device.weights = List.of();
            }
            default -> throw new AssertionError(order);
        }
        device.work.poll();
    }

    private void save(SimulatedDevice device, Order.SaveState save, int to) {
        int rank = device.epochs.rank();
        long of = device.finished.step();
        assertThat(metrics.size()).as("lines before their state").isGreaterThanOrEqualTo((int) of);
        Path path = Path.of("step-" + of);
        int files = save.models() + 1;
        report(device, to, new Report.Copied(rank, of, 0, path));
        if (diskIsFull) {
            report(device, to, new Report.NotSaved(rank, of, files, false, "the disk is full"));
            return;
        }
        if (snapshot == null || snapshot.step <= of) { // the newest is read
            snapshot = new Snapshot(of, device.weights);
        }
        for (int i = 0; i < files; i++) {
            report(device, to, new Report.Saved(rank, path, of));
        }
    }

    private void host(SimulatedDevice device, Order.Host host, int to) {
        boolean holds = device.job.equals(host.job()) && device.finished.step() >= 0;
        if (!holds || host.weights() != Order.Weights.PEER) {
            device.job = host.job();
            switch (host.weights()) {
                case PEER -> device.finished.begin(FinishedSteps.NOTHING);
                case START -> {
                    device.finished.begin(0);
                    device.weights = List.of();
                }
                case SNAPSHOT -> {
                    device.finished.begin(snapshot.step);
                    device.weights = snapshot.weights;
                }
            }
        }
        report(
                device,
                to,
                new Report.Prepared(host.rank(), host.epoch(), "cpu", device.finished.step(), 0));
    }

    /** The sums of a step, by the ranks that have brought theirs. */
    private final Map<String, List<SimulatedDevice>> sums = new LinkedHashMap<>();

    /**
     * A rank updates when all ranks of its ring have brought their sums to that step, and not
     * before.
     *
     * @return whether it is done with it
     */
    private boolean train(SimulatedDevice device, Order.TrainStep order, int to) {
        String key = order.epoch() + "/" + order.step();
        List<SimulatedDevice> brought = sums.computeIfAbsent(key, _ -> new ArrayList<>());
        if (!brought.contains(device) && !isBroken(order.epoch())) {
            assertThat(device.finished.step()).as("step after step").isEqualTo(order.step() - 1);
            brought.add(device);
        }
        // The sum that all have made may not have come back to this one when the ring broke.
        boolean whole = brought.size() == device.ringSize && brought.contains(device);
        if (!whole || (isBroken(order.epoch()) && random.nextBoolean())) {
            if (isBroken(order.epoch())) {
                fail(device, order, to, "the ring broke");
            }
            return false;
        }
        List<Long> weights = new ArrayList<>(device.weights);
        weights.add(order.step());
        assertThat(weights)
                .as("each step once")
                .hasSize((int) order.step())
                .doesNotHaveDuplicates();
        device.weights = weights;
        Report.Stepped stepped =
                new Report.Stepped(
                        device.epochs.rank(),
                        order.epoch(),
                        order.step(),
                        new StepPlan.Constants(
                                job.with(order.rounds()).curriculum().place(order.step()).stage(),
                                1e-3,
                                32,
                                1,
                                List.of(new LossPart.Targets(1, 1)),
                                1,
                                new StepPlan.Bytes(0, 0)),
                        new TrainingStep.Outcome(List.of(new LossPart.Sums(1, 1)), 1, 1),
                        new TimeSpent(0.1, 0, 0, 0, 0));
        device.finished.trained(stepped);
        report(device, to, stepped);
        return true;
    }

    /** Answers go to the coordinator that asked, which may be gone. */
    private void report(SimulatedDevice device, int to, Report report) {
        if (to == coordinator) {
            device.reports.add(report);
        }
    }

    private Map<Integer, SimulatedDevice> ring(long of) {
        return rings.computeIfAbsent(of, _ -> new TreeMap<>());
    }

    private final List<Long> broken = new ArrayList<>();

    private boolean isBroken(long of) {
        return broken.contains(of);
    }

    /** All its ranks unwind: what they were doing together fails. */
    private void breakRing(long of, String why) {
        if (of < 0 || isBroken(of)) {
            return;
        }
        broken.add(of);
        for (SimulatedDevice device : devices.values()) {
            if (device.ringEpoch == of && !device.work.isEmpty()) {
                SimulatedDevice.Ordered first = device.work.peek();
                if (first.order() instanceof Order.JoinRing join) {
                    fail(device, join, first.coordinator(), why);
                }
            }
        }
    }

    private void fail(SimulatedDevice device, Order order, int to, String why) {
        device.work.poll();
        report(
                device,
                to,
                new Report.Failed(
                        device.epochs.rank(), order.epoch(), device.finished.step(), true, why));
    }
}
