package org.ringworld.actors.wire;

import java.nio.file.Path;
import java.util.List;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorRefResolver;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.queue.JobQueue;
import org.ringworld.actors.queue.QueueAnswer;
import org.ringworld.actors.queue.QueueRequest;
import org.ringworld.actors.wire.RingWire.Message;
import org.ringworld.checkpoints.snapshot.DeviceShare;
import org.ringworld.model.ring.LinkAddress;
import org.ringworld.model.ring.RingPlaces;
import org.ringworld.model.training.LossPart;
import org.ringworld.model.training.MemoryUse;
import org.ringworld.model.training.StepPlan;
import org.ringworld.model.training.TimeSpent;
import org.ringworld.model.training.TrainingStep;
import org.ringworld.model.training.coordination.DeviceId;
import org.ringworld.model.training.coordination.Order;
import org.ringworld.model.training.coordination.Report;

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
                yield new JobQueue.Request(
                        QueueRequest.of(m.getWhat(), m.getArgument()), ref(m.getReplyTo()));
            }
            case ANSWER ->
                    new QueueAnswer(message.getAnswer().getDone(), message.getAnswer().getText());
            case DRAIN -> {
                RingWire.Drain m = message.getDrain();
                List<ActorRef<DeviceActor.Command>> devices =
                        m.getDevicesList().stream().map(this::<DeviceActor.Command>ref).toList();
                yield new JobQueue.Drain(devices, ref(m.getReplyTo()));
            }
            case HELD, PREPARED, JOINED, SYNCHRONIZED, FAILED, PULSED -> ringReport(message);
            case HELD_PAGES -> ServingWire.read(message.getHeldPages());
            case STEPPED, EVALUATED, SERVED, MEASURED, COPIED, SAVED, NOT_SAVED ->
                    workReport(message);
            case ASKED_TEXT, CANCELLED_TEXT, HAVE -> new FrontWire(refs).readToServing(message);
            case SERVES, TOLD_TEXTS, UNKNOWN_TEXTS, BUSY, CLOSED ->
                    new FrontWire(refs).readToFront(message);
            case LEAVE, HOST, JOIN_RING, SYNCHRONIZE, PULSE, RELEASE ->
                    new DeviceActor.Ordered(ringOrder(message), ref(message.getReplyTo()));
            default -> new DeviceActor.Ordered(workOrder(message), ref(message.getReplyTo()));
        };
    }

    // ---- orders

    private static Order ringOrder(Message message) {
        return switch (message.getKindCase()) {
            case LEAVE -> {
                RingWire.Leave m = message.getLeave();
                yield new Order.Leave(m.getEpoch(), new DeviceId(m.getDevice()));
            }
            case HOST -> {
                RingWire.Host m = message.getHost();
                yield new Order.Host(
                        m.getEpoch(),
                        m.getRank(),
                        m.getJob(),
                        m.getText(),
                        weights(m.getWeights()),
                        m.getSnapshot(),
                        m.getMeasured());
            }
            case JOIN_RING -> {
                RingWire.JoinRing m = message.getJoinRing();
                RingPlaces places =
                        new RingPlaces(
                                m.getEpoch(),
                                m.getToken().toByteArray(),
                                m.getAddressesList().stream().map(RingReader::address).toList());
                yield new Order.JoinRing(
                        m.getEpoch(), m.getRank(), places, shares(m.getSharesList()));
            }
            case SYNCHRONIZE -> {
                RingWire.Synchronize m = message.getSynchronize();
                yield new Order.Synchronize(
                        m.getEpoch(),
                        m.getFrom(),
                        m.getStep(),
                        m.getRecordsList().stream().map(RingReader::stepped).toList());
            }
            case PULSE -> new Order.Pulse(message.getPulse().getEpoch());
            default -> new Order.Release(message.getRelease().getEpoch());
        };
    }

    private static Order workOrder(Message message) {
        return switch (message.getKindCase()) {
            case TRAIN_STEP -> {
                RingWire.TrainStep m = message.getTrainStep();
                yield new Order.TrainStep(m.getEpoch(), m.getStep(), m.getRoundsList());
            }
            case EVALUATE_BATCH -> {
                RingWire.EvaluateBatch m = message.getEvaluateBatch();
                yield new Order.EvaluateBatch(
                        m.getEpoch(), m.getStage(), m.getIndex(), m.getRopeTheta());
            }
            case SAVE_STATE -> {
                RingWire.SaveState m = message.getSaveState();
                yield new Order.SaveState(
                        m.getEpoch(), m.getFence(), m.getModels(), m.getRoundsList());
            }
            case LOAD_MODEL -> {
                RingWire.LoadModel m = message.getLoadModel();
                yield new Order.LoadModel(
                        m.getEpoch(), m.getRank(), m.getModel(), m.getSettings(), m.getGradients());
            }
            case FORWARD -> {
                RingWire.Forward m = message.getForward();
                yield new Order.Forward(m.getEpoch(), m.getBatch(), m.getOut(), m.getGradients());
            }
            case LOAD_SERVING -> {
                RingWire.LoadServing m = message.getLoadServing();
                yield new Order.LoadServing(
                        m.getEpoch(),
                        m.getRank(),
                        m.getModel(),
                        m.getSaved(),
                        m.getSettings(),
                        m.getPages(),
                        m.getOpen());
            }
            case SERVE -> ServingWire.read(message.getServe());
            case MEASURE -> new Order.Measure(message.getMeasure().getEpoch());
            default -> throw new IllegalArgumentException(message.getKindCase().toString());
        };
    }

    private static Order.Weights weights(int ordinal) {
        Order.Weights[] all = Order.Weights.values();
        if (ordinal < 0 || ordinal >= all.length) {
            throw new IllegalArgumentException("weights " + ordinal);
        }
        return all[ordinal];
    }

    private static LinkAddress address(RingWire.LinkAddress a) {
        return new LinkAddress(a.getProcess(), a.getHost(), a.getPort(), a.getSocket());
    }

    private static List<DeviceShare> shares(List<RingWire.DeviceShare> shares) {
        return shares.stream().map(s -> new DeviceShare(s.getKind(), s.getSixteenths())).toList();
    }

    // ---- reports

    private static Report ringReport(Message message) {
        return switch (message.getKindCase()) {
            case HELD -> {
                RingWire.Held m = message.getHeld();
                yield new Report.Held(
                        new DeviceId(m.getDevice()),
                        m.getEpoch(),
                        address(m.getAddress()),
                        m.getName(),
                        m.getJob(),
                        m.getFinishedStep(),
                        m.getStepsList().stream().map(RingReader::stepped).toList(),
                        shares(m.getSharesList()));
            }
            case PREPARED -> {
                RingWire.Prepared m = message.getPrepared();
                yield new Report.Prepared(
                        m.getRank(),
                        m.getEpoch(),
                        m.getDevice(),
                        m.getFinishedStep(),
                        m.getTokensPerSecond());
            }
            case JOINED ->
                    new Report.Joined(
                            message.getJoined().getRank(), message.getJoined().getEpoch());
            case SYNCHRONIZED -> {
                RingWire.Synchronized m = message.getSynchronized();
                yield new Report.Synchronized(m.getRank(), m.getEpoch(), m.getStep());
            }
            case FAILED -> {
                RingWire.Failed m = message.getFailed();
                yield new Report.Failed(
                        m.getRank(),
                        m.getEpoch(),
                        m.getFinishedStep(),
                        m.getRingBroke(),
                        m.getSentence());
            }
            default -> {
                RingWire.Pulsed m = message.getPulsed();
                yield new Report.Pulsed(m.getRank(), m.getEpoch(), m.getProgress(), m.getWaiting());
            }
        };
    }

    private static Report workReport(Message message) {
        return switch (message.getKindCase()) {
            case STEPPED -> stepped(message.getStepped());
            case SERVED -> ServingWire.read(message.getServed());
            case EVALUATED -> {
                RingWire.Evaluated m = message.getEvaluated();
                yield new Report.Evaluated(
                        m.getRank(),
                        m.getEpoch(),
                        m.getId(),
                        m.getLossSum(),
                        m.getTargetWeight(),
                        m.getMissedList().stream().mapToInt(Integer::intValue).toArray());
            }
            case MEASURED -> {
                RingWire.Measured m = message.getMeasured();
                MemoryUse memory =
                        new MemoryUse(
                                m.getWeights(),
                                m.getGradients(),
                                m.getOptimizer(),
                                m.getKept(),
                                m.getWorkspace(),
                                m.getKernels());
                yield new Report.Measured(m.getRank(), memory);
            }
            case COPIED -> {
                RingWire.Copied m = message.getCopied();
                Path snapshot = Path.of(m.getSnapshot());
                yield new Report.Copied(m.getRank(), m.getStep(), m.getSeconds(), snapshot);
            }
            case SAVED -> {
                RingWire.Saved m = message.getSaved();
                yield new Report.Saved(m.getRank(), Path.of(m.getPath()), m.getStep());
            }
            default -> {
                RingWire.NotSaved m = message.getNotSaved();
                yield new Report.NotSaved(
                        m.getRank(),
                        m.getStep(),
                        m.getUnwritten(),
                        m.getTakenOver(),
                        m.getSentence());
            }
        };
    }

    private static Report.Stepped stepped(RingWire.Stepped m) {
        RingWire.Constants c = m.getConstants();
        return new Report.Stepped(
                m.getRank(),
                m.getEpoch(),
                m.getStep(),
                new StepPlan.Constants(
                        c.getStage(),
                        c.getLearningRate(),
                        c.getTokens(),
                        c.getTargetWeight(),
                        c.getPartsList().stream()
                                .map(p -> new LossPart.Targets(p.getWeight(), p.getAnswers()))
                                .toList(),
                        c.getFlops(),
                        new StepPlan.Bytes(c.getBytesPlanned(), c.getBytesMinimum())),
                new TrainingStep.Outcome(
                        m.getPartsList().stream()
                                .map(p -> new LossPart.Sums(p.getLoss(), p.getHits()))
                                .toList(),
                        m.getGradNorm(),
                        m.getParamNorm()),
                new TimeSpent(
                        m.getComputing(),
                        m.getWaiting(),
                        m.getReceiving(),
                        m.getExposed(),
                        m.getBytesReceived()));
    }
}
