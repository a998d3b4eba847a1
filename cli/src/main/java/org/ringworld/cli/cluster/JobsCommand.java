package org.ringworld.cli.cluster;

import java.util.concurrent.Callable;
import org.ringworld.actors.queue.QueueRequest;
import org.ringworld.cli.Ringworld;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import tools.jackson.databind.JsonNode;

/** The jobs of a cluster. */
@Command(
        name = "jobs",
        description = "List the jobs of a cluster: waiting, running and over.",
        mixinStandardHelpOptions = true,
        footer = {"", "Example:", "  ringworld jobs --cluster 10.0.0.1:25520"})
public final class JobsCommand implements Callable<Integer> {
    @Mixin private ClusterOptions cluster;

    @Override
    public Integer call() throws Exception {
        for (JsonNode job : cluster.client().ask(new QueueRequest.Jobs())) {
            System.out.println(StatusCommand.line(job));
        }
        return Ringworld.DONE;
    }
}
