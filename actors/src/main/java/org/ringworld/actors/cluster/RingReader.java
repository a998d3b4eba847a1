package org.ringworld.actors.cluster;

import java.nio.file.Path;
import java.util.List;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorRefResolver;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.device.RingProtocol;
import org.ringworld.actors.links.LinkAddress;
import org.ringworld.actors.links.RankLinks;
import org.ringworld.actors.wire.RingWire;
import org.ringworld.actors.wire.RingWire.Message;
import org.ringworld.model.training.TimeSpent;
import org.ringworld.model.training.TrainingStep;

/** The other way of {@link RingSerializer}: messages of rings and of the queue from the wire. */
final class RingReader {
    private final ActorRefResolver refs;

    RingReader(ActorRefResolver refs) {
        this.refs = refs;
    }

    private <T> ActorRef<T> ref(String text) {
        return refs.resolveActorRef(text);
    }

    /**
     * The message that was sent.
     *
     * @throws IllegalArgumentException where it is none of ours
     */
    Object read(Message message) {
        return switch (message.getKindCase()) {
            case REQUEST -> {
                RingWire.Request m = message.getRequest();
                yield new JobQueue.Request(m.getWhat(), m.getArgument(), ref(m.getReplyTo()));
            }
            case ANSWER ->
                    new JobQueue.Answer(
                            message.getAnswer().getDone(), message.getAnswer().getText());
            case DRAIN -> {
                RingWire.Drain m = message.getDrain();
                List<ActorRef<DeviceActor.Command>> devices =
                        m.getDevicesList().stream().map(this::<DeviceActor.Command>ref).toList();
                yield new JobQueue.Drain(devices, ref(m.getReplyTo()));
            }
            default -> command(message);
        };
    }

    private Object command(Message message) {
        return switch (message.getKindCase()) {
            case LEAVE -> {
                RingWire.Leave m = message.getLeave();
                yield new RingProtocol.Leave(m.getEpoch(), ref(m.getReplyTo()));
            }
            case HOST -> {
                RingWire.Host m = message.getHost();
                yield new RingProtocol.Host(
                        m.getEpoch(),
                        m.getRank(),
                        m.getJob(),
                        m.getText(),
                        weights(m.getWeights()),
                        m.getSnapshot(),
                        ref(m.getReplyTo()));
            }
            case JOIN_RING -> joinRing(message.getJoinRing());
            case SYNCHRONIZE -> {
                RingWire.Synchronize m = message.getSynchronize();
                yield new RingProtocol.Synchronize(
                        m.getEpoch(), m.getFrom(), m.getStep(), ref(m.getReplyTo()));
            }
            case TRAIN_STEP -> {
                RingWire.TrainStep m = message.getTrainStep();
                yield new RingProtocol.TrainStep(m.getEpoch(), m.getStep(), ref(m.getReplyTo()));
            }
            case EVALUATE_BATCH -> {
                RingWire.EvaluateBatch m = message.getEvaluateBatch();
                yield new RingProtocol.EvaluateBatch(
                        m.getEpoch(),
                        m.getStage(),
                        m.getIndex(),
                        m.getRopeTheta(),
                        ref(m.getReplyTo()));
            }
            case SAVE_STATE -> {
                RingWire.SaveState m = message.getSaveState();
                yield new RingProtocol.SaveState(
                        m.getEpoch(), m.getFence(), m.getStageEnds(), ref(m.getReplyTo()));
            }
            case LOAD_MODEL -> {
                RingWire.LoadModel m = message.getLoadModel();
                yield new RingProtocol.LoadModel(
                        m.getEpoch(),
                        m.getRank(),
                        m.getModel(),
                        m.getSettings(),
                        m.getGradients(),
                        ref(m.getReplyTo()));
            }
            case FORWARD_FILE -> {
                RingWire.ForwardFile m = message.getForwardFile();
                yield new RingProtocol.ForwardFile(
                        m.getEpoch(),
                        m.getBatch(),
                        m.getOut(),
                        m.getGradients(),
                        ref(m.getReplyTo()));
            }
            case PULSE -> {
                RingWire.Pulse m = message.getPulse();
                yield new RingProtocol.Pulse(m.getEpoch(), ref(m.getReplyTo()));
            }
            case RELEASE -> new RingProtocol.Release(message.getRelease().getEpoch());
            default -> reply(message);
        };
    }

    private RingProtocol.JoinRing joinRing(RingWire.JoinRing m) {
        RankLinks.Places places =
                new RankLinks.Places(
                        m.getEpoch(),
                        m.getToken().toByteArray(),
                        m.getAddressesList().stream().map(RingReader::address).toList());
        return new RingProtocol.JoinRing(m.getEpoch(), m.getRank(), places, ref(m.getReplyTo()));
    }

    private DeviceActor.Reply reply(Message message) {
        return switch (message.getKindCase()) {
            case HELD -> {
                RingWire.Held m = message.getHeld();
                yield new RingProtocol.Held(
                        ref(m.getFrom()),
                        m.getEpoch(),
                        address(m.getAddress()),
                        m.getName(),
                        m.getJob(),
                        m.getFinishedStep(),
                        m.getStepsList().stream().map(RingReader::stepped).toList());
            }
            case PREPARED -> {
                RingWire.Prepared m = message.getPrepared();
                yield new DeviceActor.Prepared(
                        m.getRank(), m.getEpoch(), m.getDevice(), m.getFinishedStep());
            }
            case JOINED ->
                    new DeviceActor.Joined(
                            message.getJoined().getRank(), message.getJoined().getEpoch());
            case SYNCHRONIZED -> {
                RingWire.Synchronized m = message.getSynchronized();
                yield new RingProtocol.Synchronized(m.getRank(), m.getEpoch(), m.getStep());
            }
            case STEPPED -> stepped(message.getStepped());
            case EVALUATED -> {
                RingWire.Evaluated m = message.getEvaluated();
                int[] missed = m.getMissedList().stream().mapToInt(Integer::intValue).toArray();
                yield new DeviceActor.Evaluated(
                        m.getRank(), m.getEpoch(), m.getId(), m.getLossSum(), missed);
            }
            case COPIED -> {
                RingWire.Copied m = message.getCopied();
                yield new DeviceActor.Copied(m.getRank(), m.getStep(), m.getSeconds());
            }
            case SAVED -> {
                RingWire.Saved m = message.getSaved();
                yield new DeviceActor.Saved(m.getRank(), Path.of(m.getPath()), m.getStep());
            }
            case NOT_SAVED -> {
                RingWire.NotSaved m = message.getNotSaved();
                yield new DeviceActor.NotSaved(
                        m.getRank(), m.getStep(), m.getUnwritten(), m.getSentence());
            }
            case FAILED -> {
                RingWire.Failed m = message.getFailed();
                yield new DeviceActor.Failed(
                        m.getRank(),
                        m.getEpoch(),
                        m.getFinishedStep(),
                        m.getRingBroke(),
                        m.getSentence());
            }
            case PULSED -> {
                RingWire.Pulsed m = message.getPulsed();
                yield new RingProtocol.Pulsed(
                        m.getRank(), m.getEpoch(), m.getProgress(), m.getWaiting());
            }
            default -> throw new IllegalArgumentException(message.getKindCase().toString());
        };
    }

    private static RingProtocol.Weights weights(int ordinal) {
        RingProtocol.Weights[] all = RingProtocol.Weights.values();
        if (ordinal < 0 || ordinal >= all.length) {
            throw new IllegalArgumentException("weights " + ordinal);
        }
        return all[ordinal];
    }

    private static LinkAddress address(RingWire.LinkAddress a) {
        return new LinkAddress(a.getProcess(), a.getHost(), a.getPort(), a.getSocket());
    }

    private static DeviceActor.Stepped stepped(RingWire.Stepped m) {
        return new DeviceActor.Stepped(
                m.getRank(),
                m.getEpoch(),
                m.getStep(),
                new TrainingStep.Outcome(m.getLossSum(), m.getHits(), m.getGradNorm()),
                new TimeSpent(
                        m.getComputing(),
                        m.getWaiting(),
                        m.getReceiving(),
                        m.getExposed(),
                        m.getBytesReceived()));
    }
}
