package org.ringworld.cli.bench;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigRenderOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;
import org.ringworld.actors.device.DeviceRing;
import org.ringworld.actors.links.Links;
import org.ringworld.cli.bench.RingBench.Transport;
import org.ringworld.model.ring.LinkAddress;
import org.ringworld.model.ring.RingPlaces;
import org.ringworld.model.training.StepPlan;
import org.ringworld.model.training.StepRows;
import org.ringworld.model.training.TimeSpent;
import org.ringworld.model.training.coordination.Report;
import org.ringworld.model.training.rank.RandomSteps;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Devices;

/**
 * Training steps on a ring of this process and a second one that it starts, of one thread each;
 * beside them, in turns of two steps, the same steps in this process alone: by two devices of one
 * thread, and by one device of two.
 */
final class RingStepBench implements AutoCloseable {
    private static final long EPOCH = 1;
    static final int RANKS = 2;
    private static final DeviceSpec ONE_THREAD = new DeviceSpec.Cpu(1);

    /** Turns that are not counted: code is compiled and memory is taken. */
    private static final int WARM = 3;

    /** The rings, in the order of their turns. */
    enum Where {
        ONE_DEVICE("1 process, 1 device of 2 threads"),
        ONE_PROCESS("1 process, 2 devices of 1 thread"),
        TWO_PROCESSES("2 processes, 1 device of 1 thread each");

        final String words;

        Where(String words) {
            this.words = words;
        }
    }

    /**
     * The steps of one of the rings.
     *
     * @param seconds of a step, the median
     * @param fastest step, seconds
     * @param waiting of a rank for others in a step, seconds, the mean; so are
     * @param receiving from the first byte of each tile to its last, over a wire
     * @param exposed the part of that in which the device had nothing else to do
     * @param bytesSent of keys, values and their gradients by all ranks in a step
     * @param bytesPlanned that ranks have to pass on in a step
     * @param bytesMinimum if each key went straight to each rank that sees it
     */
    record Steps(
            Transport transport,
            Where where,
            int tokensPerRank,
            double seconds,
            double fastest,
            double tokensPerSecond,
            double waiting,
            double receiving,
            double exposed,
            long bytesSent,
            long bytesPlanned,
            long bytesMinimum) {
        /** Part of the transfers during which the devices had other work. */
        double hidden() {
            return receiving == 0 ? 1 : 1 - exposed / receiving;
        }
    }

    /** What a rank answers after a step. */
    record Answer(TimeSpent spent, double lossSum) {
        static Answer of(Report.Stepped stepped) {
            return new Answer(stepped.spent(), stepped.outcome().lossSum());
        }
    }

    private record Timed(double seconds, List<Answer> ranks) {}

    private final Transport transport;
    private final StepWork work;
    private final RingPeer peer;
    private final Links links;
    private final List<DeviceRing> rings = new ArrayList<>();

    /**
     * @param directory for sockets and certificates
     * @param settings of {@link StepWork}
     */
    RingStepBench(Transport transport, Path directory, Config settings) throws IOException {
        this.transport = transport;
        this.work = StepWork.of(settings);
        boolean tls = transport == Transport.tls;
        this.links = RingPeerCommand.listen(RingBench.LOOPBACK, directory, tls);
        String words = settings.root().render(ConfigRenderOptions.concise());
        List<String> steps = List.of("--steps", words);
        this.peer = new RingPeer(transport, directory, steps);
        try {
            rings.add(ring(new DeviceSpec.Cpu(RANKS)));
            rings.add(ring(ONE_THREAD, ONE_THREAD));
            LinkAddress other = peer.answer(LinkAddress.class);
            RingPlaces places =
                    new RingPlaces(EPOCH, RingPlaces.newToken(), List.of(links.address(), other));
            peer.ask(places);
            rings.add(ring(work, links, places, 0));
        } catch (IOException | RuntimeException e) {
            close();
            throw e;
        }
    }

    private DeviceRing ring(DeviceSpec... devices) {
        return new DeviceRing(work.held(), Devices.open(List.of(devices)), RandomSteps.LAYOUT);
    }

    /** One of the two processes' ring of one device. */
    static DeviceRing ring(StepWork work, Links links, RingPlaces places, int rank) {
        return new DeviceRing(
                work.held(),
                Devices.open(List.of(ONE_THREAD)),
                RandomSteps.LAYOUT,
                links,
                places,
                rank);
    }

    /** Each ring's steps. */
    List<Steps> run(int steps) throws IOException {
        List<List<Double>> seconds = lists();
        List<List<TimeSpent>> spent = lists();
        for (int turn = 0; turn < WARM + steps; turn++) {
            List<Timed> all = new ArrayList<>();
            for (Where where : Where.values()) {
                // As in training, where a step follows one of its own and finds its caches warm.
                step(where, 2 * turn);
                Timed timed = step(where, 2 * turn + 1);
                if (turn >= WARM) {
                    seconds.get(where.ordinal()).add(timed.seconds);
                    timed.ranks.forEach(rank -> spent.get(where.ordinal()).add(rank.spent));
                }
                all.add(timed);
            }
            checkSame(turn, all);
        }
        return Stream.of(Where.values())
                .map(w -> steps(w, seconds.get(w.ordinal()), spent.get(w.ordinal())))
                .toList();
    }

    private static <T> List<List<T>> lists() {
        return Stream.of(Where.values()).<List<T>>map(_ -> new ArrayList<>()).toList();
    }

    private static int ranks(Where where) {
        return where == Where.ONE_DEVICE ? 1 : RANKS;
    }

    private Timed step(Where where, int step) throws IOException {
        // A job makes its rows while the step before runs.
        StepRows rows = work.rows(step, ranks(where));
        if (where == Where.TWO_PROCESSES) {
            peer.ask(step);
            peer.answer(Integer.class);
        }
        long start = System.nanoTime();
        if (where == Where.TWO_PROCESSES) {
            peer.ask(step);
        }
        List<Answer> ranks = new ArrayList<>();
        rings.get(where.ordinal()).train(rows).forEach(stepped -> ranks.add(Answer.of(stepped)));
        if (where == Where.TWO_PROCESSES) {
            ranks.add(peer.answer(Answer.class));
        }
        return new Timed((System.nanoTime() - start) / 1e9, ranks);
    }

    /** The same ring in one process and in two computes the same, to the last bit. */
    private static void checkSame(int turn, List<Timed> all) throws IOException {
        double here = all.get(Where.ONE_PROCESS.ordinal()).ranks.getFirst().lossSum;
        for (Answer rank : all.get(Where.TWO_PROCESSES.ordinal()).ranks) {
            if (rank.lossSum != here) {
                throw new IOException(
                        "turn %d: loss %s in two processes, %s in one"
                                .formatted(turn + 1, rank.lossSum, here));
            }
        }
    }

    private Steps steps(Where where, List<Double> seconds, List<TimeSpent> spent) {
        double[] sorted = seconds.stream().mapToDouble(s -> s).sorted().toArray();
        double median = sorted[sorted.length / 2];
        StepPlan plan = work.rows(0, ranks(where)).step();
        StepPlan.Bytes bytes = plan.bytes(work.model(), work.dtype());
        return new Steps(
                transport,
                where,
                (int) (plan.tokens() / RANKS),
                median,
                sorted[0],
                plan.tokens() / median,
                mean(spent, TimeSpent::waiting),
                mean(spent, TimeSpent::receiving),
                mean(spent, TimeSpent::exposed),
                spent.stream().mapToLong(TimeSpent::bytesReceived).sum() / sorted.length,
                bytes.planned(),
                bytes.minimum());
    }

    private static double mean(List<TimeSpent> spent, ToDoubleFunction<TimeSpent> field) {
        return spent.stream().mapToDouble(field).average().orElse(0);
    }

    @Override
    public void close() {
        rings.forEach(DeviceRing::close);
        peer.close();
        links.close();
    }
}
