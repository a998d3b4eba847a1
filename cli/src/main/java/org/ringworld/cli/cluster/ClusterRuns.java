package org.ringworld.cli.cluster;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.ringworld.actors.http.ServedText;
import org.ringworld.actors.job.Run;
import org.ringworld.actors.queue.JobQueue;
import org.ringworld.actors.queue.JobRuns;
import org.ringworld.actors.serving.OfferedModel;
import org.ringworld.cli.InferenceSettings;
import org.ringworld.cli.TextModel;
import org.ringworld.cli.train.TrainingReport;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.JointVocabulary;
import org.ringworld.model.training.coordination.Progress;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobFile;
import org.ringworld.model.training.job.JobReader;
import org.ringworld.model.training.rank.Inference;
import org.ringworld.runtime.cpu.MachineLimits;
import org.ringworld.tokenizer.DataException;

/** Jobs as a node of a cluster reads, begins and tells of them. */
public final class ClusterRuns implements JobRuns {
    /** Measured while the node starts: who takes a job over loses no time with it. */
    private final CompletableFuture<MachineLimits> limits =
            CompletableFuture.supplyAsync(() -> MachineLimits.measure(1));

    private static Config config(String text) {
        return JobFile.resolve(ConfigFactory.parseString(text), java.util.List.of());
    }

    @Override
    public Job read(String text) {
        return JobReader.read(config(text), Runtime.getRuntime().availableProcessors());
    }

    @Override
    public Inference inference(Path model, String settings, boolean gradients) throws IOException {
        return inference(InferenceSettings.of(settings.lines().toList(), model), gradients);
    }

    @Override
    public ServedText served(OfferedModel offered, Engine engine)
            throws IOException, DataException {
        Path model = Path.of(offered.model());
        InferenceSettings on = InferenceSettings.of(offered.settings().lines().toList(), model);
        TextModel text = TextModel.open(on);
        long context = on.contextKnown() ? on.config().maxPositionEmbeddings() : offered.capacity();
        return new ServedText(
                offered.name(),
                engine,
                text.tokenizer(),
                text.template(),
                JointVocabulary.of(on.config()).count(),
                (int) Math.min(context, offered.capacity()),
                System.currentTimeMillis() / 1000,
                null);
    }

    /** The work that a saved model's settings come to. */
    public static Inference inference(InferenceSettings on, boolean gradients) {
        return new Inference(
                on.model(),
                on.config(),
                on.options(),
                on.ringSize(),
                on.layout(),
                gradients,
                on.mirrored());
    }

    @Override
    public boolean begin(Job job) throws IOException {
        if (Run.open(job).finished()) {
            return false;
        }
        Run.begin(job);
        return true;
    }

    @Override
    public Consumer<Progress> report(Job job, double flopsLimit) throws IOException {
        // Its coordinators, one after the other, write on.
        PrintStream log =
                new PrintStream(
                        new FileOutputStream(job.output().resolve(JobQueue.LOG).toFile(), true),
                        true,
                        StandardCharsets.UTF_8);
        return new TrainingReport(job, flopsLimit, log)::hear;
    }

    @Override
    public double flopsOfThread(Job job) {
        return limits.join().flops(job.dtype());
    }
}
