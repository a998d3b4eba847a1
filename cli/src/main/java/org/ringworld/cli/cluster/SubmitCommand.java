package org.ringworld.cli.cluster;

import java.util.List;
import java.util.concurrent.Callable;
import org.ringworld.cli.Ringworld;
import org.ringworld.cli.train.TrainCommand;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobReader;
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
            "output and its data are paths that every node reaches; hf: names are fetched here, into HF_HOME. Ctrl-C ends the following, not the job.",
            "",
            "Examples:",
            "  ringworld submit examples/jobs/needles.conf ring.size=2",
            "  ringworld submit examples/jobs/books.conf data.path=/shared/books --cluster 10.0.0.1:25520 --detach"
        })
public final class SubmitCommand implements Callable<Integer> {
    @Parameters(
            arity = "0..*",
            paramLabel = "JOB.conf | key=value",
            description = "A job file and overrides of its keys.")
    private List<String> arguments = List.of();

    @Mixin private ClusterOptions cluster;

    @Option(names = "--detach", description = "Do not follow it; print its name.")
    private boolean detach;

    @Override
    public Integer call() throws Exception {
        int cores = Runtime.getRuntime().availableProcessors();
        Job job = JobReader.read(TrainCommand.config(arguments), cores);
        String id = cluster.client().submit(job);
        if (detach) {
            System.out.println(id);
            return Ringworld.DONE;
        }
        System.out.println("job " + id);
        return LogsCommand.follow(cluster.client(), id, true);
    }
}
