package org.ringworld.actors.wire;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedInputStream;
import com.google.protobuf.CodedOutputStream;
import java.io.IOException;
import java.io.NotSerializableException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.apache.pekko.actor.ExtendedActorSystem;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorRefResolver;
import org.apache.pekko.actor.typed.javadsl.Adapter;
import org.apache.pekko.serialization.ByteBufferSerializer;
import org.apache.pekko.serialization.SerializerWithStringManifest;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.queue.JobQueue;
import org.ringworld.actors.queue.QueueAnswer;
import org.ringworld.actors.serving.ToFront;
import org.ringworld.actors.serving.ToServing;
import org.ringworld.actors.wire.RingWire.Message;
import org.ringworld.checkpoints.snapshot.DeviceShare;
import org.ringworld.model.ring.LinkAddress;
import org.ringworld.model.training.LossPart;
import org.ringworld.model.training.StepPlan;
import org.ringworld.model.training.coordination.Order;
import org.ringworld.model.training.coordination.Report;

/**
 * Our messages between members as Protobuf (ring.proto), and nothing else: a message that is none
 * of them cannot be read, so nothing that comes over a network chooses what is made of it.
 */
public final class RingSerializer extends SerializerWithStringManifest
        implements ByteBufferSerializer {
    private static final int ID = 0x52_57_01;
    private static final String MANIFEST = "2";

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
            return new RingReader(refs).read(Message.parseFrom(CodedInputStream.newInstance(from)));
        } catch (IOException | IllegalArgumentException e) {
            throw new NotSerializableException("no message of ours: " + e.getMessage());
        }
    }

    private String text(ActorRef<?> ref) {
        return refs.toSerializationFormat(ref);
    }

    // ---- out

    private Message encode(Object message) {
        Message.Builder to = Message.newBuilder();
        switch (message) {
            case DeviceActor.Ordered m -> {
                encode(m.order(), to);
                to.setReplyTo(text(m.replyTo()));
            }
            case Report report -> encode(report, to);
            case JobQueue.Request m ->
                    to.getRequestBuilder()
                            .setWhat(m.request().word())
                            .setArgument(m.request().argument())
                            .setReplyTo(text(m.replyTo()));
            case QueueAnswer m -> to.getAnswerBuilder().setDone(m.done()).setText(m.text());
            case JobQueue.Drain m ->
                    to.getDrainBuilder()
                            .addAllDevices(m.devices().stream().map(this::text).toList())
                            .setReplyTo(text(m.replyTo()));
            case ToServing m -> new FrontWire(refs).write(m, to);
            case ToFront m -> new FrontWire(refs).write(m, to);
            default ->
                    throw new IllegalArgumentException("not for the wire: " + message.getClass());
        }
        return to.build();
    }

    private static void encode(Order order, Message.Builder to) {
        switch (order) {
            case Order.Leave m ->
                    to.getLeaveBuilder().setEpoch(m.epoch()).setDevice(m.device().name());
            case Order.Host m ->
                    to.getHostBuilder()
                            .setEpoch(m.epoch())
                            .setRank(m.rank())
                            .setJob(m.job())
                            .setText(m.text())
                            .setWeights(m.weights().ordinal())
                            .setSnapshot(m.snapshot())
                            .setMeasured(m.measured());
            case Order.JoinRing m -> to.setJoinRing(joinRing(m));
            case Order.Synchronize m ->
                    to.getSynchronizeBuilder()
                            .setEpoch(m.epoch())
                            .setFrom(m.from())
                            .setStep(m.step())
                            .addAllRecords(
                                    m.records().stream().map(RingSerializer::stepped).toList());
            case Order.TrainStep m ->
                    to.getTrainStepBuilder()
                            .setEpoch(m.epoch())
                            .setStep(m.step())
                            .addAllRounds(m.rounds());
            case Order.EvaluateBatch m ->
                    to.getEvaluateBatchBuilder()
                            .setEpoch(m.epoch())
                            .setStage(m.stage())
                            .setIndex(m.index())
                            .setRopeTheta(m.ropeTheta());
            case Order.SaveState m ->
                    to.getSaveStateBuilder()
                            .setEpoch(m.epoch())
                            .setFence(m.fence())
                            .setModels(m.models())
                            .addAllRounds(m.rounds());
            case Order.LoadModel m ->
                    to.getLoadModelBuilder()
                            .setEpoch(m.epoch())
                            .setRank(m.rank())
                            .setModel(m.model())
                            .setSettings(m.settings())
                            .setGradients(m.gradients());
            case Order.Forward m ->
                    to.getForwardBuilder()
                            .setEpoch(m.epoch())
                            .setBatch(m.batch())
                            .setOut(m.out())
                            .setGradients(m.gradients());
            case Order.LoadServing m ->
                    to.getLoadServingBuilder()
                            .setEpoch(m.epoch())
                            .setRank(m.rank())
                            .setModel(m.model())
                            .setSaved(m.saved())
                            .setSettings(m.settings())
                            .setPages(m.pages())
                            .setOpen(m.open());
            case Order.Serve m -> to.setServe(ServingWire.write(m));
            case Order.Pulse m -> to.getPulseBuilder().setEpoch(m.epoch());
            case Order.Measure m -> to.getMeasureBuilder().setEpoch(m.epoch());
            case Order.Release m -> to.getReleaseBuilder().setEpoch(m.epoch());
        }
    }

    private static void encode(Report report, Message.Builder to) {
        switch (report) {
            case Report.Held m -> to.setHeld(held(m));
            case Report.Prepared m ->
                    to.getPreparedBuilder()
                            .setRank(m.rank())
                            .setEpoch(m.epoch())
                            .setDevice(m.device())
                            .setFinishedStep(m.finishedStep())
                            .setTokensPerSecond(m.tokensPerSecond());
            case Report.HeldPages m -> to.setHeldPages(ServingWire.write(m));
            case Report.Joined m -> to.getJoinedBuilder().setRank(m.rank()).setEpoch(m.epoch());
            case Report.Synchronized m ->
                    to.getSynchronizedBuilder()
                            .setRank(m.rank())
                            .setEpoch(m.epoch())
                            .setStep(m.step());
            case Report.Stepped m -> to.setStepped(stepped(m));
            case Report.Evaluated m -> to.setEvaluated(evaluated(m));
            case Report.Copied m ->
                    to.getCopiedBuilder()
                            .setRank(m.rank())
                            .setStep(m.step())
                            .setSeconds(m.seconds())
                            .setSnapshot(m.snapshot().toString());
            case Report.Saved m ->
                    to.getSavedBuilder()
                            .setRank(m.rank())
                            .setPath(m.path().toString())
                            .setStep(m.step());
            case Report.NotSaved m ->
                    to.getNotSavedBuilder()
                            .setRank(m.rank())
                            .setStep(m.step())
                            .setUnwritten(m.unwritten())
                            .setTakenOver(m.takenOver())
                            .setSentence(m.sentence());
            case Report.Failed m ->
                    to.getFailedBuilder()
                            .setRank(m.rank())
                            .setEpoch(m.epoch())
                            .setFinishedStep(m.finishedStep())
                            .setRingBroke(m.ringBroke())
                            .setSentence(m.sentence());
            case Report.Pulsed m ->
                    to.getPulsedBuilder()
                            .setRank(m.rank())
                            .setEpoch(m.epoch())
                            .setProgress(m.progress())
                            .setWaiting(m.waiting());
            case Report.Measured m -> to.setMeasured(measured(m));
            case Report.Served m -> to.setServed(ServingWire.write(m));
            case Report.Forwarded _ ->
                    throw new IllegalArgumentException("not for the wire: " + report.getClass());
        }
    }

    private static RingWire.Held held(Report.Held m) {
        return RingWire.Held.newBuilder()
                .setDevice(m.device().name())
                .setEpoch(m.epoch())
                .setAddress(address(m.address()))
                .setName(m.name())
                .setJob(m.job())
                .setFinishedStep(m.finishedStep())
                .addAllSteps(m.steps().stream().map(RingSerializer::stepped).toList())
                .addAllShares(m.shares().stream().map(RingSerializer::share).toList())
                .build();
    }

    private static RingWire.Measured measured(Report.Measured m) {
        return RingWire.Measured.newBuilder()
                .setRank(m.rank())
                .setWeights(m.memory().weights())
                .setGradients(m.memory().gradients())
                .setOptimizer(m.memory().optimizer())
                .setKept(m.memory().kept())
                .setWorkspace(m.memory().workspace())
                .setKernels(m.memory().kernels())
                .build();
    }

    private static RingWire.LinkAddress address(LinkAddress a) {
        return RingWire.LinkAddress.newBuilder()
                .setProcess(a.process())
                .setHost(a.host())
                .setPort(a.port())
                .setSocket(a.socket())
                .build();
    }

    private static RingWire.Stepped stepped(Report.Stepped s) {
        RingWire.Stepped.Builder to = RingWire.Stepped.newBuilder();
        for (LossPart.Sums part : s.outcome().parts()) {
            to.addPartsBuilder().setLoss(part.loss()).setHits(part.hits());
        }
        return to.setRank(s.rank())
                .setEpoch(s.epoch())
                .setStep(s.step())
                .setConstants(constants(s.constants()))
                .setGradNorm(s.outcome().gradNorm())
                .setParamNorm(s.outcome().paramNorm())
                .setComputing(s.spent().computing())
                .setWaiting(s.spent().waiting())
                .setReceiving(s.spent().receiving())
                .setExposed(s.spent().exposed())
                .setBytesReceived(s.spent().bytesReceived())
                .build();
    }

    private static RingWire.Constants constants(StepPlan.Constants c) {
        RingWire.Constants.Builder to = RingWire.Constants.newBuilder();
        for (LossPart.Targets part : c.parts()) {
            to.addPartsBuilder().setWeight(part.weight()).setAnswers(part.answers());
        }
        return to.setStage(c.stage())
                .setLearningRate(c.learningRate())
                .setTokens(c.tokens())
                .setTargetWeight(c.targetWeight())
                .setFlops(c.flops())
                .setBytesPlanned(c.bytes().planned())
                .setBytesMinimum(c.bytes().minimum())
                .build();
    }

    private static RingWire.JoinRing joinRing(Order.JoinRing m) {
        return RingWire.JoinRing.newBuilder()
                .setEpoch(m.epoch())
                .setRank(m.rank())
                .setToken(ByteString.copyFrom(m.places().token()))
                .addAllAddresses(
                        m.places().addresses().stream().map(RingSerializer::address).toList())
                .addAllShares(m.shares().stream().map(RingSerializer::share).toList())
                .build();
    }

    private static RingWire.DeviceShare share(DeviceShare share) {
        return RingWire.DeviceShare.newBuilder()
                .setKind(share.kind())
                .setSixteenths(share.sixteenths())
                .build();
    }

    private static RingWire.Evaluated evaluated(Report.Evaluated m) {
        return RingWire.Evaluated.newBuilder()
                .setRank(m.rank())
                .setEpoch(m.epoch())
                .setId(m.id())
                .setLossSum(m.lossSum())
                .setTargetWeight(m.targetWeight())
                .addAllMissed(Arrays.stream(m.missed()).boxed().toList())
                .build();
    }
}
