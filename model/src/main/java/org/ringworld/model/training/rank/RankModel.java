package org.ringworld.model.training.rank;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.attention.RankBatch;
import org.ringworld.model.attention.SequenceBlock;
import org.ringworld.model.layers.MappedParameters;
import org.ringworld.model.layers.ParameterStore;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.layers.TokenLosses;
import org.ringworld.model.layers.Transformer;
import org.ringworld.model.layers.WholeParameters;
import org.ringworld.model.ring.Frame;
import org.ringworld.model.ring.Ring;
import org.ringworld.model.ring.RingMember;
import org.ringworld.model.training.MemoryUse;
import org.ringworld.model.training.RankPlan;
import org.ringworld.model.training.StepPlan;
import org.ringworld.model.training.TrainingStep;
import org.ringworld.model.training.coordination.FinishedSteps;
import org.ringworld.model.training.coordination.Order;
import org.ringworld.model.training.coordination.Report;
import org.ringworld.model.training.job.TrainingState;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The model of one rank on its device. Only the device's own thread touches it. */
public final class RankModel implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(RankModel.class);
    private static final List<Modality> TEXT = List.of(Modality.TEXT);

    private final Device device;
    private final ParameterStore parameters;
    // Where it is run only; else null.
    private ModelFiles mapped;
    // Where it is trained; else null.
    private final WholeParameters trained;
    private final TrainingStep trainingStep;
    private final Transformer transformer;
    private long startStep;
    private Recompute recompute;

    /** One whose optimizer, if it has one, keeps F32. */
    public RankModel(Device device, ModelSource source, DType dtype, boolean training)
            throws IOException {
        this(device, source, dtype, DType.F32, training);
    }

    /**
     * Takes memory for it and fills it; where that fails, all of it is given back.
     *
     * @param firstMoment dtype of the optimizer's means of gradients, where it is trained
     * @throws IllegalArgumentException where a model that is not trained is in no file
     */
    public RankModel(
            Device device, ModelSource source, DType dtype, DType firstMoment, boolean training)
            throws IOException {
        this.device = device;
        if (training) {
            this.trained = new WholeParameters(device, source.config(), dtype, firstMoment);
            this.parameters = trained;
        } else if (source instanceof ModelSource.Files files) {
            this.trained = null;
            this.parameters = mapped(files, dtype);
        } else {
            throw new IllegalArgumentException("a model is run from its files: " + source);
        }
        this.transformer = new Transformer(device, parameters);
        try {
            if (training) {
                fill(source);
            }
            this.trainingStep = training ? new TrainingStep(device, trained, transformer) : null;
        } catch (IOException | RuntimeException | Error e) {
            parameters.close();
            device.trim(); // what filling them made ready
            throw e;
        }
    }

    private ParameterStore mapped(ModelSource.Files model, DType dtype) throws IOException {
        mapped = model.open();
        try {
            return new MappedParameters(device, mapped, model.config(), dtype);
        } catch (IOException | RuntimeException | Error e) {
            mapped.close();
            throw e;
        }
    }

    private void fill(ModelSource source) throws IOException {
        switch (source) {
            case ModelSource.Random(LlamaConfig _, long seed, double std) ->
                    trained.initialize(seed, std);
            case ModelSource.Files model -> {
                try (ModelFiles files = model.open()) {
                    trained.load(files, model.seed(), model.std());
                }
            }
            case ModelSource.Nothing(LlamaConfig _) -> startStep = FinishedSteps.NOTHING;
            case ModelSource.FromSnapshot(LlamaConfig _, Path snapshot) ->
                    startStep = TrainingState.read(trained, device, snapshot);
        }
    }

    /** The step after which its first state stands; −1 where it holds none yet. */
    public long startStep() {
        return startStep;
    }

    /**
     * Takes over the state that another rank holds.
     *
     * @param finished is told when nothing whole is here, and when all of it is
     */
    public void synchronize(FinishedSteps finished, Ring ring, Order.Synchronize order) {
        finished.takesOver(ring.rank() == order.from(), order.step());
        trained.broadcast(order.from(), ring, order.step());
        finished.tookOver(order.step(), order.records());
    }

    /** Weights and optimizer's state; null where it is not trained. */
    public WholeParameters trained() {
        return trained;
    }

    /** What its device's memory is used for, after a step. */
    public MemoryUse memory() {
        long kept = transformer.bytesKept();
        long workspace = transformer.bytesOfWorkspace();
        return new MemoryUse(
                trained.weightBytes(),
                trained.gradients().all().bytes(),
                trained.optimizerBytes(),
                kept,
                workspace,
                device.allocated() - trained.bytes() - kept - workspace);
    }

    /**
     * Tokens that it trains on a second, without other ranks; weights stay as they are.
     *
     * @param most tokens of a row
     */
    public double tokensPerSecond(int most) {
        LlamaConfig config = parameters.config();
        return trainingStep.tokensPerSecond(
                config,
                most,
                tokens ->
                        RandomSteps.rows(config, tokens, tokens, 0, 1).parts().getFirst().ofRank(0),
                new RingMember(0, 1));
    }

    /** One optimizer step, with all other ranks. */
    public TrainingStep.Outcome train(RankPlan plan, Ring ring, Recompute.Choice recompute) {
        StepPlan step = plan.step();
        return trainingStep.run(
                parameters.config().withRopeTheta(step.ropeTheta()),
                plan.parts(),
                step,
                ring,
                recompute(recompute, plan.tokens(), ring));
    }

    private Recompute recompute(Recompute.Choice choice, long tokens, Ring ring) {
        long left = device.memory() - trained.bytes();
        Recompute chosen = choice.on(parameters.config(), parameters.dtype(), tokens, left);
        if (chosen != recompute && ring.rank() == 0) {
            LOG.info(
                    "recompute {}: {} MiB kept for backward, {} MiB if nothing were recomputed;"
                            + " auto keeps up to {} MiB",
                    chosen.name().toLowerCase(Locale.ROOT),
                    mebibytes(chosen, tokens),
                    mebibytes(Recompute.NONE, tokens),
                    left / 2 >> 20);
        }
        recompute = chosen;
        return chosen;
    }

    private long mebibytes(Recompute chosen, long tokens) {
        return Recompute.bytesKept(chosen, parameters.config(), parameters.dtype(), tokens) >> 20;
    }

    /** Losses of this rank's tokens, by row. */
    public Report.Evaluated evaluate(
            RankBatch batch, double ropeTheta, Ring ring, long epoch, long id) {
        LlamaConfig config = parameters.config().withRopeTheta(ropeTheta);
        SequenceBlock own = batch.own();
        TokenLosses losses = transformer.forward(config, batch, ring, Frame.of(-1 - id, 0), null);
        int rows = own.length() == 0 ? 0 : own.rows()[own.length() - 1] + 1;
        int[] missed = new int[rows];
        for (int i = 0; i < own.length(); i++) {
            if (own.weights()[i] >= 1) {
                missed[own.rows()[i]] += 1 - losses.hits()[i];
            }
        }
        return new Report.Evaluated(
                ring.rank(), epoch, id, losses.weightedSum(own), batch.targetWeight(), missed);
    }

    /**
     * Logits of this rank's tokens [S,V], of both heads where the batch says which tokens are
     * vision codes, and, where asked for, the ring's summed gradients.
     */
    public Report.Forwarded forward(RankBatch batch, boolean gradients, Ring ring) {
        SequenceBlock own = batch.own();
        Map<Modality, float[]> logits = new EnumMap<>(Modality.class);
        for (Modality head : own.visionIds() == null ? TEXT : parameters.modalities()) {
            int vocab = head.vocabSize(parameters.config());
            logits.put(head, new float[Math.multiplyExact(own.length(), vocab)]);
        }
        Transformer.LogitSink sink =
                (head, block, from) -> copy(block, logits.get(head), from * block.dim(1));
        TokenLosses losses;
        Map<String, float[]> sums = new LinkedHashMap<>();
        if (gradients) {
            double weight = batch.targetWeight();
            losses =
                    trainingStep.gradients(
                            parameters.config(),
                            batch,
                            weight == 0 ? 0 : (float) (1 / weight),
                            ring,
                            sink);
            if (ring.rank() == 0) {
                for (int i = 0; i < trained.specs().size(); i++) {
                    Tensor gradient = trained.gradient(i);
                    float[] host = new float[Math.toIntExact(gradient.size())];
                    copy(gradient, host, 0);
                    sums.put(trained.specs().get(i).name(), host);
                }
            }
        } else {
            losses = transformer.forward(parameters.config(), batch, ring, Frame.of(0, 0), sink);
        }
        return new Report.Forwarded(ring.rank(), losses.weightedSum(own), logits, sums);
    }

    private void copy(Tensor from, float[] to, long at) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(from.bytes(), 64);
            device.copyOut(from, host);
            MemorySegment.copy(
                    host,
                    ValueLayout.JAVA_FLOAT,
                    0,
                    to,
                    Math.toIntExact(at),
                    Math.toIntExact(from.size()));
        }
    }

    @Override
    public void close() {
        transformer.close();
        if (trainingStep != null) {
            trainingStep.close();
        }
        parameters.close();
        if (mapped != null) {
            mapped.close();
        }
    }
}
