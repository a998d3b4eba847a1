package org.ringworld.model.training.coordination;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import java.util.stream.Collectors;
import org.ringworld.checkpoints.snapshot.DeviceShare;
import org.ringworld.model.ring.RingPlaces;
import org.ringworld.model.training.coordination.Order.Weights;
import org.ringworld.model.training.coordination.Report.Held;
import org.ringworld.model.training.job.Job;

/**
 * Brings a job's ring into being, epoch after epoch: all devices leave the old one and say what
 * they hold, the best state is chosen, ranks are given, links opened, and those behind take the
 * state over. A part of {@link JobDecisions}.
 */
final class RingFormation {
    private final Job job;
    private final String id;
    private final boolean resumed;
    private final Consumer<Effect> effects;
    private final Map<DeviceId, Held> held = new LinkedHashMap<>();
    private final RankAnswers answers = new RankAnswers();

    private long epoch = -1;
    private byte[] linkToken;
    private List<DeviceId> devices = List.of();
    private List<DeviceId> ring = List.of();
    private Roster roster;
    private List<DeviceShare> shares = List.of();
    private long finishedStep;
    private boolean begun;

    RingFormation(Job job, String id, boolean resumed, Consumer<Effect> effects) {
        this.job = job;
        this.id = id;
        this.resumed = resumed;
        this.effects = effects;
    }

    /** −1 before the first. */
    long epoch() {
        return epoch;
    }

    List<DeviceId> devices() {
        return devices;
    }

    /** By rank; empty while there is none. */
    List<DeviceId> ring() {
        return ring;
    }

    Roster roster() {
        return roster;
    }

    /** The step after which all ranks of the formed ring stand. */
    long finishedStep() {
        return finishedStep;
    }

    /** Before the first step all devices are waited for, later as many as the job can do with. */
    int needed() {
        return begun || resumed ? job.ringMinSize() : job.ringSize();
    }

    /** The devices that may be used from now on. */
    void use(List<DeviceId> now) {
        devices = List.copyOf(now);
    }

    /** A new epoch; what was said in the one before counts no more. */
    void begin(long number, byte[] token) {
        epoch = number;
        linkToken = token;
        held.clear();
        answers.clear();
        ring = List.of();
    }

    /** Everybody is to stand still and say what it holds. */
    void gather() {
        devices.forEach(this::askToLeave);
    }

    void askToLeave(DeviceId device) {
        effects.accept(new Effect.Tell(device, new Order.Leave(epoch, device)));
    }

    void onHeld(Held said) {
        held.put(said.device(), said);
    }

    /** Those whose answer is awaited. */
    List<DeviceId> silent() {
        List<DeviceId> silent = new ArrayList<>(devices);
        silent.removeAll(held.keySet());
        return silent;
    }

    /** What those that are still there hold. */
    Collection<Held> held() {
        held.keySet().retainAll(devices);
        return held.values();
    }

    /** Chooses ranks and the state that counts, and has the job's data and weights made ready. */
    void prepare() {
        roster = Roster.choose(held(), id, job.ringSize());
        ring = roster.ring().stream().map(Held::device).toList();
        if (roster.winner() >= 0) {
            host(Weights.PEER, "", roster.ring().get(roster.winner()).shares());
        } else {
            effects.accept(new Effect.FindSnapshot());
        }
    }

    /** Where no device holds the state, it comes from here. */
    void onSnapshot(Event.SnapshotFound found) {
        Weights weights = found.directory().isEmpty() ? Weights.START : Weights.SNAPSHOT;
        host(weights, found.directory(), found.shares());
    }

    /**
     * @param earlier shares, from where the state comes
     */
    private void host(Weights weights, String snapshot, List<DeviceShare> earlier) {
        boolean differ = DeviceShares.differ(job, kinds());
        shares = differ ? DeviceShares.kept(kinds(), earlier) : List.of();
        int measured = differ && shares.isEmpty() ? evenBlock() : 0;
        tellAll(rank -> new Order.Host(epoch, rank, id, job.text(), weights, snapshot, measured));
    }

    private List<String> kinds() {
        return roster.ring().stream().map(Held::kind).toList();
    }

    /** Tokens that a rank of even shares has of a row of the first stage. */
    private int evenBlock() {
        return Math.ceilDiv(job.curriculum().stages().getFirst().seqLen(), ring.size());
    }

    /** By what all ranks have measured, where they were asked to. */
    private void shareOut(List<Report.Prepared> all) {
        double[] speeds = all.stream().mapToDouble(Report.Prepared::tokensPerSecond).toArray();
        if (Arrays.stream(speeds).allMatch(speed -> speed > 0)) {
            shares = DeviceShares.measured(kinds(), speeds);
        }
        if (!shares.isEmpty()) {
            String each =
                    shares.stream()
                            .map(share -> "%s %d".formatted(share.kind(), share.sixteenths()))
                            .collect(Collectors.joining(", "));
            effects.accept(new Effect.Log("sixteenths of every row: " + each));
        }
    }

    /**
     * A rank has done one thing; when all have, they are told the next.
     *
     * @return whether the ring stands
     */
    boolean onAnswer(Report answer) {
        List<Report> all = answers.add(answer, ring.size());
        return !all.isEmpty() && allHave(all);
    }

    private boolean allHave(List<Report> done) {
        switch (done.getFirst()) {
            case Report.Prepared prepared -> {
                shareOut(RankAnswers.as(Report.Prepared.class, done));
                finishedStep = roster.winner() >= 0 ? roster.step() : prepared.finishedStep();
                RingPlaces places =
                        new RingPlaces(
                                epoch,
                                linkToken,
                                roster.ring().stream().map(Held::address).toList());
                tellAll(rank -> new Order.JoinRing(epoch, rank, places, shares));
            }
            case Report.Joined _ -> {
                if (!roster.behind()) {
                    return stands();
                }
                int from = roster.winner();
                List<Report.Stepped> records = roster.ring().get(from).steps();
                tellAll(_ -> new Order.Synchronize(epoch, from, roster.step(), records));
            }
            default -> {
                return stands();
            }
        }
        return false;
    }

    private boolean stands() {
        begun = true;
        return true;
    }

    void tellAll(IntFunction<Order> order) {
        for (int rank = 0; rank < ring.size(); rank++) {
            effects.accept(new Effect.Tell(ring.get(rank), order.apply(rank)));
        }
    }
}
