package org.ringworld.actors.job;

import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;
import org.apache.pekko.actor.typed.ActorRef;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.device.RingProtocol;
import org.ringworld.actors.device.RingProtocol.Held;
import org.ringworld.actors.device.RingProtocol.Weights;
import org.ringworld.actors.links.LinkAddress;
import org.ringworld.actors.links.RankLinks;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.snapshot.Snapshot;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.OpenJob;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings a job's ring into being, epoch after epoch: all devices leave the old one and say what
 * they hold, the best state is chosen, ranks are given, links opened, and those behind take the
 * state over. A part of the {@link Coordinator}, whose thread alone calls it.
 */
final class RingFormation {
    private static final Logger LOG = LoggerFactory.getLogger(RingFormation.class);
    private static final int TOKEN = 16;

    private final OpenJob hosted;
    private final Epochs epochs;
    private final boolean resumed;
    private final ActorRef<DeviceActor.Reply> replies;
    private final SecureRandom random = new SecureRandom();
    private final Map<ActorRef<DeviceActor.Command>, Held> lefts = new LinkedHashMap<>();

    private final Fence fence;
    private long epoch;
    private List<ActorRef<DeviceActor.Command>> devices = List.of();
    private List<ActorRef<DeviceActor.Command>> ring = List.of();
    private Roster roster;
    private long finishedStep;
    private boolean begun;

    RingFormation(
            OpenJob hosted,
            Epochs epochs,
            Fence fence,
            boolean resumed,
            ActorRef<DeviceActor.Reply> replies)
            throws CheckpointException {
        this.hosted = hosted;
        this.epochs = epochs;
        this.fence = fence;
        this.resumed = resumed;
        this.replies = replies;
        this.epoch = epochs.next();
    }

    long epoch() {
        return epoch;
    }

    /** Of the job's output, for as long as this coordinator has it. */
    Fence fence() {
        return fence;
    }

    List<ActorRef<DeviceActor.Command>> devices() {
        return devices;
    }

    /** By rank; empty while there is none. */
    List<ActorRef<DeviceActor.Command>> ring() {
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
        Job job = hosted.job();
        return begun || resumed ? job.ringMinSize() : job.ringSize();
    }

    /** The devices that may be used from now on. */
    void use(List<ActorRef<DeviceActor.Command>> now) {
        devices = List.copyOf(now);
    }

    /**
     * Ends the epoch, if one has begun, and takes the next number.
     *
     * @throws CheckpointException where another coordinator has this job, or another leader the
     *     queue: nothing may be written and nobody be told any more
     */
    void next(boolean ended) throws CheckpointException {
        if (ended) {
            fence.check();
            epoch = epochs.next();
        }
        lefts.clear();
        ring = List.of();
    }

    /** Everybody is to stand still and say what it holds. */
    void gather() {
        devices.forEach(this::askToLeave);
    }

    void askToLeave(ActorRef<DeviceActor.Command> device) {
        device.tell(new RingProtocol.Leave(epoch, replies));
    }

    void onHeld(Held left) {
        lefts.put(left.from(), left);
    }

    /** Those whose answer is awaited. */
    List<ActorRef<DeviceActor.Command>> silent() {
        List<ActorRef<DeviceActor.Command>> silent = new ArrayList<>(devices);
        silent.removeAll(lefts.keySet());
        return silent;
    }

    /** What those that are still there hold. */
    Collection<Held> held() {
        lefts.keySet().retainAll(devices);
        return lefts.values();
    }

    /** Chooses ranks and the state that counts, and has the job's data and weights made ready. */
    void prepare() throws CheckpointException {
        roster = Roster.choose(held(), hosted.id(), hosted.job().ringSize());
        ring = roster.ring().stream().map(Held::from).toList();
        if (roster.winner() >= 0) {
            host(Weights.PEER, "");
            return;
        }
        Snapshot.Newest newest = Snapshot.newest(hosted.job().output());
        newest.skipped().forEach(why -> LOG.warn("skipped {}", why));
        try (Snapshot snapshot = newest.snapshot()) {
            if (snapshot == null) {
                host(Weights.START, "");
            } else {
                host(Weights.SNAPSHOT, snapshot.directory().toString());
            }
        }
    }

    private void host(Weights weights, String snapshot) {
        String text = hosted.job().text();
        tellAll(
                rank ->
                        new RingProtocol.Host(
                                epoch, rank, hosted.id(), text, weights, snapshot, replies));
    }

    /**
     * All ranks have done one thing: on to the next.
     *
     * @return whether the ring stands
     */
    boolean allHave(DeviceActor.Reply done) {
        switch (done) {
            case DeviceActor.Prepared prepared -> {
                finishedStep = roster.winner() >= 0 ? roster.step() : prepared.finishedStep();
                join();
            }
            case DeviceActor.Joined _ -> {
                if (!roster.behind()) {
                    return stands();
                }
                int from = roster.winner();
                long step = roster.step();
                tellAll(_ -> new RingProtocol.Synchronize(epoch, from, step, replies));
            }
            default -> {
                return stands();
            }
        }
        return false;
    }

    private void join() {
        byte[] token = new byte[TOKEN];
        random.nextBytes(token);
        List<LinkAddress> addresses = roster.ring().stream().map(Held::address).toList();
        RankLinks.Places places = new RankLinks.Places(epoch, token, addresses);
        tellAll(rank -> new RingProtocol.JoinRing(epoch, rank, places, replies));
    }

    private boolean stands() {
        begun = true;
        return true;
    }

    void tellAll(IntFunction<DeviceActor.Command> command) {
        for (int rank = 0; rank < ring.size(); rank++) {
            ring.get(rank).tell(command.apply(rank));
        }
    }
}
