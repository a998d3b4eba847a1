package org.ringworld.cli;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.ringworld.actors.cluster.ClusterClient;
import org.ringworld.actors.device.DeviceRing;
import org.ringworld.actors.queue.ForwardRun;
import org.ringworld.actors.queue.QueueRequest;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.SourceType;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.checkpoints.safetensors.SafeTensorsWriter;
import org.ringworld.cli.cluster.ClusterRuns;
import org.ringworld.cli.cluster.InCluster;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.model.training.rank.BatchFile;
import org.ringworld.model.training.rank.ForwardedFile;
import org.ringworld.model.training.rank.RowResult;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Logits, loss and gradients of one batch, for people who compare implementations. */
@Command(
        name = "forward",
        description = "Write a model's logits, loss and gradients for one batch.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "In: input_ids [seq]; optionally positions, segments, targets (-100: none), loss_weights.",
            "Out, F32: logits [seq, vocab], loss (F64), grad.<name> of every weight.",
            "With vision_mask (1: a vision code): text_logits and vision_logits instead of logits;",
            "a target is of the kind of the next id, or as target_vision_mask says.",
            "Keys: ring.size, ring.layout, device.threads, devices, dtype, model.ropeTheta.",
            "",
            "Examples:",
            "  ringworld forward MODEL --batch batch.safetensors --out out.safetensors",
            "  ringworld forward MODEL --batch b.safetensors --out o.safetensors --gradients ring.size=8",
            "  ringworld forward MODEL --batch b.safetensors --out o.safetensors ring.size=3 --cluster 127.0.0.1:25520"
        })
final class ForwardCommand implements Callable<Integer> {
    private static final long POLL_MILLIS = 100;

    @Parameters(
            index = "0",
            paramLabel = "MODEL",
            description = "A model directory or file, or hf:OWNER/NAME.")
    private Path model;

    @Parameters(index = "1..*", arity = "0..*", paramLabel = "key=value", description = "Settings.")
    private List<String> settings = List.of();

    @Option(names = "--batch", required = true, description = "A safetensors file.")
    private Path batch;

    @Option(names = "--out", required = true, description = "Where the results go.")
    private Path out;

    @ArgGroup(exclusive = false)
    private InCluster cluster;

    @Option(names = "--gradients", description = "Backward too.")
    private boolean gradients;

    @Override
    public Integer call() throws Exception {
        InferenceSettings on = InferenceSettings.of(settings, Ringworld.HUB.model(model));
        LlamaConfig config = on.config();
        BatchFile in = BatchFile.read(batch, config);
        if (gradients && !in.hasTargets()) {
            throw new UsageException(batch + ": --gradients needs a tensor targets");
        }
        RowResult result;
        if (cluster != null) {
            result = inCluster(on);
        } else {
            try (DeviceRing ring = on.ring(gradients)) {
                result = ring.forward(in.row(), gradients);
            }
        }
        write(in, config, result);
        if (in.hasTargets()) {
            System.out.printf(Locale.ROOT, "loss %.9f%n", result.loss());
        }
        System.out.println("wrote " + out);
        return Ringworld.DONE;
    }

    /** The cluster's devices write their parts beside the result, which is put together here. */
    private RowResult inCluster(InferenceSettings on) throws Exception {
        Path whole = out.toAbsolutePath().normalize();
        Path rows = batch.toAbsolutePath().normalize();
        Path there = model.toAbsolutePath().normalize();
        ForwardRun.Request run =
                new ForwardRun.Request(there, String.join("\n", settings), rows, whole, gradients);
        ClusterClient client = cluster.client();
        String id = client.ask(new QueueRequest.Forward(run)).path("id").asString();
        while (!client.ask(new QueueRequest.Forwarded(id)).path("done").asBoolean()) {
            Thread.sleep(POLL_MILLIS);
        }
        return ForwardedFile.gather(ClusterRuns.inference(on, gradients), rows, whole);
    }

    private void write(BatchFile in, LlamaConfig config, RowResult result)
            throws CheckpointException {
        List<SafeTensorsWriter.Entry> entries = new ArrayList<>();
        boolean both = result.logits().size() > 1;
        for (Modality head : result.logits().keySet()) {
            long[] shape = {in.row().length(), head.vocabSize(config)};
            entries.add(new SafeTensorsWriter.Entry(name(head, both), SourceType.F32, shape));
        }
        if (in.hasTargets()) {
            entries.add(new SafeTensorsWriter.Entry("loss", SourceType.F64, new long[] {1}));
        }
        List<TensorSpec> specs = gradients ? LlamaTensors.of(config) : List.of();
        for (TensorSpec spec : specs) {
            entries.add(
                    new SafeTensorsWriter.Entry(
                            "grad." + spec.name(), SourceType.F32, spec.shape()));
        }
        try (SafeTensorsWriter writer = SafeTensorsWriter.create(out, entries, Map.of());
                Arena arena = Arena.ofConfined()) {
            for (Modality head : result.logits().keySet()) {
                writer.write(name(head, both), floats(arena, result.logits().get(head)));
            }
            if (in.hasTargets()) {
                writer.write("loss", arena.allocateFrom(ValueLayout.JAVA_DOUBLE, result.loss()));
            }
            for (TensorSpec spec : specs) {
                writer.write(
                        "grad." + spec.name(), floats(arena, result.gradients().get(spec.name())));
            }
            writer.finish();
        }
    }

    private static String name(Modality head, boolean both) {
        return both ? head.name().toLowerCase(Locale.ROOT) + "_logits" : "logits";
    }

    private static MemorySegment floats(Arena arena, float[] values) {
        return arena.allocateFrom(ValueLayout.JAVA_FLOAT, values);
    }
}
