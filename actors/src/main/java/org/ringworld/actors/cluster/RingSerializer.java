package org.ringworld.actors.cluster;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedInputStream;
import com.google.protobuf.CodedOutputStream;
import java.io.IOException;
import java.io.NotSerializableException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import org.apache.pekko.actor.ExtendedActorSystem;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorRefResolver;
import org.apache.pekko.actor.typed.javadsl.Adapter;
import org.apache.pekko.serialization.ByteBufferSerializer;
import org.apache.pekko.serialization.SerializerWithStringManifest;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.device.RingProtocol;
import org.ringworld.actors.links.LinkAddress;
import org.ringworld.actors.links.RankLinks;
import org.ringworld.actors.wire.RingWire;
import org.ringworld.actors.wire.RingWire.Message;
import org.ringworld.model.training.TimeSpent;
import org.ringworld.model.training.TrainingStep;

/**
 * Our messages between members as Protobuf (ring.proto), and nothing else: a message that is none
 * of them cannot be read, so nothing that comes over a network chooses what is made of it.
 */
public final class RingSerializer extends SerializerWithStringManifest
        implements ByteBufferSerializer {
    private static final int ID = 0x52_57_01;
    private static final String MANIFEST = "1";

    private final ActorRefResolver refs;

    /** Made by Pekko, as its configuration says. */
    public RingSerializer(ExtendedActorSystem system) {
        this.refs = ActorRefResolver.get(Adapter.toTyped(system));
    }

    @Override
    public int identifier() {
        return ID;
    }

    @Override
    public String manifest(Object message) {
        return MANIFEST;
    }

    @Override
    public byte[] toBinary(Object message) {
        return encode(message).toByteArray();
    }

    @Override
    public void toBinary(Object message, ByteBuffer to) {
        try {
            CodedOutputStream out = CodedOutputStream.newInstance(to);
            encode(message).writeTo(out);
            out.flush();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public Object fromBinary(byte[] bytes, String manifest) throws NotSerializableException {
        return fromBinary(ByteBuffer.wrap(bytes), manifest);
    }

    @Override
    public Object fromBinary(ByteBuffer from, String manifest) throws NotSerializableException {
        if (!manifest.equals(MANIFEST)) {
            throw new NotSerializableException("messages of version " + manifest);
        }
        try {
            return decode(Message.parseFrom(CodedInputStream.newInstance(from)));
        } catch (IOException | IllegalArgumentException e) {
            throw new NotSerializableException("no message of ours: " + e.getMessage());
        }
    }

    private String text(ActorRef<?> ref) {
        return refs.toSerializationFormat(ref);
    }

    private <T> ActorRef<T> ref(String text) {
        return refs.resolveActorRef(text);
    }

    // ---- out

    private Message encode(Object message) {
        Message.Builder to = Message.newBuilder();
        switch (message) {
            case RingProtocol command -> encode(command, to);
            case DeviceActor.Reply reply -> encode(reply, to);
            case JobQueue.Request m ->
                    to.getRequestBuilder()
                            .setWhat(m.what())
                            .setArgument(m.argument())
                            .setReplyTo(text(m.replyTo()));
            case JobQueue.Answer m -> to.getAnswerBuilder().setDone(m.done()).setText(m.text());
            case JobQueue.Drain m ->
                    to.getDrainBuilder()
                            .addAllDevices(m.devices().stream().map(this::text).toList())
                            .setReplyTo(text(m.replyTo()));
            default ->
                    throw new IllegalArgumentException("not for the wire: " + message.getClass());
        }
        return to.build();
    }

    private void encode(RingProtocol command, Message.Builder to) {
        switch (command) {
            case RingProtocol.Leave m ->
                    to.getLeaveBuilder().setEpoch(m.epoch()).setReplyTo(text(m.replyTo()));
            case RingProtocol.Host m ->
                    to.getHostBuilder()
                            .setEpoch(m.epoch())
                            .setRank(m.rank())
                            .setJob(m.job())
                            .setText(m.text())
                            .setWeights(m.weights().ordinal())
                            .setSnapshot(m.snapshot())
                            .setReplyTo(text(m.replyTo()));
            case RingProtocol.JoinRing m ->
                    to.getJoinRingBuilder()
                            .setEpoch(m.epoch())
                            .setRank(m.rank())
                            .setToken(ByteString.copyFrom(m.places().token()))
                            .addAllAddresses(
                                    m.places().addresses().stream()
                                            .map(RingSerializer::address)
                                            .toList())
                            .setReplyTo(text(m.replyTo()));
            case RingProtocol.Synchronize m ->
                    to.getSynchronizeBuilder()
                            .setEpoch(m.epoch())
                            .setFrom(m.from())
                            .setStep(m.step())
                            .setReplyTo(text(m.replyTo()));
            case RingProtocol.TrainStep m ->
                    to.getTrainStepBuilder()
                            .setEpoch(m.epoch())
                            .setStep(m.step())
                            .setReplyTo(text(m.replyTo()));
            case RingProtocol.EvaluateBatch m ->
                    to.getEvaluateBatchBuilder()
                            .setEpoch(m.epoch())
                            .setStage(m.stage())
                            .setIndex(m.index())
                            .setRopeTheta(m.ropeTheta())
                            .setReplyTo(text(m.replyTo()));
            case RingProtocol.SaveState m ->
                    to.getSaveStateBuilder()
                            .setEpoch(m.epoch())
                            .setFence(m.fence())
                            .setStageEnds(m.stageEnds())
                            .setReplyTo(text(m.replyTo()));
            case RingProtocol.LoadModel m ->
                    to.getLoadModelBuilder()
                            .setEpoch(m.epoch())
                            .setRank(m.rank())
                            .setModel(m.model())
                            .setSettings(m.settings())
                            .setGradients(m.gradients())
                            .setReplyTo(text(m.replyTo()));
            case RingProtocol.ForwardFile m ->
                    to.getForwardFileBuilder()
                            .setEpoch(m.epoch())
                            .setBatch(m.batch())
                            .setOut(m.out())
                            .setGradients(m.gradients())
                            .setReplyTo(text(m.replyTo()));
            case RingProtocol.Pulse m ->
                    to.getPulseBuilder().setEpoch(m.epoch()).setReplyTo(text(m.replyTo()));
            case RingProtocol.Release m -> to.getReleaseBuilder().setEpoch(m.epoch());
        }
    }

    private void encode(DeviceActor.Reply reply, Message.Builder to) {
        switch (reply) {
            case RingProtocol.Held m ->
                    to.getHeldBuilder()
                            .setFrom(text(m.from()))
                            .setEpoch(m.epoch())
                            .setAddress(address(m.address()))
                            .setName(m.name())
                            .setJob(m.job())
                            .setFinishedStep(m.finishedStep())
                            .addAllSteps(m.steps().stream().map(RingSerializer::stepped).toList());
            case DeviceActor.Prepared m ->
                    to.getPreparedBuilder()
                            .setRank(m.rank())
                            .setEpoch(m.epoch())
                            .setDevice(m.device())
                            .setFinishedStep(m.finishedStep());
            case DeviceActor.Joined m ->
                    to.getJoinedBuilder().setRank(m.rank()).setEpoch(m.epoch());
            case RingProtocol.Synchronized m ->
                    to.getSynchronizedBuilder()
                            .setRank(m.rank())
                            .setEpoch(m.epoch())
                            .setStep(m.step());
            case DeviceActor.Stepped m -> to.setStepped(stepped(m));
            case DeviceActor.Evaluated m -> {
                RingWire.Evaluated.Builder evaluated =
                        to.getEvaluatedBuilder()
                                .setRank(m.rank())
                                .setEpoch(m.epoch())
                                .setId(m.id())
                                .setLossSum(m.lossSum());
                for (int missed : m.missed()) {
                    evaluated.addMissed(missed);
                }
            }
            case DeviceActor.Copied m ->
                    to.getCopiedBuilder()
                            .setRank(m.rank())
                            .setStep(m.step())
                            .setSeconds(m.seconds());
            case DeviceActor.Saved m ->
                    to.getSavedBuilder()
                            .setRank(m.rank())
                            .setPath(m.path().toString())
                            .setStep(m.step());
            case DeviceActor.NotSaved m ->
                    to.getNotSavedBuilder()
                            .setRank(m.rank())
                            .setStep(m.step())
                            .setUnwritten(m.unwritten())
                            .setSentence(m.sentence());
            case DeviceActor.Failed m ->
                    to.getFailedBuilder()
                            .setRank(m.rank())
                            .setEpoch(m.epoch())
                            .setFinishedStep(m.finishedStep())
                            .setRingBroke(m.ringBroke())
                            .setSentence(m.sentence());
            case RingProtocol.Pulsed m ->
                    to.getPulsedBuilder()
                            .setRank(m.rank())
                            .setEpoch(m.epoch())
                            .setProgress(m.progress())
                            .setWaiting(m.waiting());
            case DeviceActor.Measured _, DeviceActor.Forwarded _ ->
                    throw new IllegalArgumentException("not for the wire: " + reply.getClass());
        }
    }

    private static RingWire.LinkAddress address(LinkAddress a) {
        return RingWire.LinkAddress.newBuilder()
                .setProcess(a.process())
                .setHost(a.host())
                .setPort(a.port())
                .setSocket(a.socket())
                .build();
    }

    private static RingWire.Stepped stepped(DeviceActor.Stepped s) {
        return RingWire.Stepped.newBuilder()
                .setRank(s.rank())
                .setEpoch(s.epoch())
                .setStep(s.step())
                .setLossSum(s.outcome().lossSum())
                .setHits(s.outcome().hits())
                .setGradNorm(s.outcome().gradNorm())
                .setComputing(s.spent().computing())
                .setWaiting(s.spent().waiting())
                .setReceiving(s.spent().receiving())
                .setExposed(s.spent().exposed())
                .setBytesReceived(s.spent().bytesReceived())
                .build();
    }

    // ---- in

    private Object decode(Message message) {
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
            case JOIN_RING -> {
                RingWire.JoinRing m = message.getJoinRing();
                yield new RingProtocol.JoinRing(
                        m.getEpoch(),
                        m.getRank(),
                        new RankLinks.Places(
                                m.getEpoch(),
                                m.getToken().toByteArray(),
                                m.getAddressesList().stream()
                                        .map(RingSerializer::address)
                                        .toList()),
                        ref(m.getReplyTo()));
            }
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
            default -> decodeReply(message);
        };
    }

    private DeviceActor.Reply decodeReply(Message message) {
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
                        m.getStepsList().stream().map(RingSerializer::stepped).toList());
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
