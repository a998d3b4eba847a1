package org.ringworld.cli.cluster;

import java.util.concurrent.Callable;
import org.ringworld.cli.Ringworld;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Stops a job of a cluster. */
@Command(
        name = "stop",
        description =
                "Stop a job of a cluster; its state is saved, and submitted again it goes on.",
        mixinStandardHelpOptions = true,
        footer = {"", "Example:", "  ringworld stop 3-needles"})
public final class StopCommand implements Callable<Integer> {
    @Parameters(paramLabel = "JOB", description = "As 'ringworld jobs' names it.")
    private String job;

    @Mixin private ClusterOptions cluster;

    @Override
    public Integer call() throws Exception {
        cluster.client().stop(job);
        return Ringworld.DONE;
    }
}
