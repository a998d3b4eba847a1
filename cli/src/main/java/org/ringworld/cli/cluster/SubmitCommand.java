package org.ringworld.cli.cluster;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigValueFactory;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.ringworld.cli.Ringworld;
import org.ringworld.cli.train.TrainCommand;
import org.ringworld.model.training.job.JobReader;
import org.ringworld.model.training.job.JobText;
import org.ringworld.model.training.job.KeyValue;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Gives a job to a cluster. */
@Command(
        name = "submit",
        description = "Give a training job to a cluster, and follow it.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "The job waits until ring.size devices are free, and goes on with ring.minSize after losses. Its",
            "output and its data are paths that every node reaches. Ctrl-C ends the following, not the job.",
            "",
            "Examples:",
            "  ringworld submit examples/jobs/needles.conf ring.size=2",
            "  ringworld submit examples/jobs/books.conf data.path=/shared/books --cluster 10.0.0.1:25520 --detach"
        })
public final class SubmitCommand implements Callable<Integer> {
    /** A tokenizer that is no file. */
    private static final String BYTES = "bytes";

    @Parameters(
            arity = "0..*",
            paramLabel = "JOB.conf | key=value",
            description = "A job file and overrides of its keys.")
    private List<String> arguments = List.of();

    @Mixin private ClusterClient cluster;

    @Option(names = "--detach", description = "Do not follow it; print its name.")
    private boolean detach;

    @Override
    public Integer call() throws Exception {
        Config config = absolute(TrainCommand.config(arguments), Path.of("").toAbsolutePath());
        JobReader.read(config, Runtime.getRuntime().availableProcessors());
        String id = cluster.ask("submit", JobText.render(config)).path("id").asString();
        if (detach) {
            System.out.println(id);
            return Ringworld.DONE;
        }
        System.out.println("job " + id);
        return LogsCommand.follow(cluster, id, true);
    }

    /**
     * The job as nodes in other directories read it: each path that it names, at the top, in a
     * stage or in a source of either, is said from the root.
     *
     * @param here the directory that relative ones are of
     */
    static Config absolute(Config job, Path here) {
        String name = job.getIsNull("name") ? "job" : job.getString("name");
        String output = job.getIsNull("output") ? "runs/" + name : job.getString("output");
        return KeyValue.mapPaths(
                job.withValue("output", ConfigValueFactory.fromAnyRef(output)),
                path -> path.equals(BYTES) ? path : here.resolve(path).normalize().toString());
    }
}
