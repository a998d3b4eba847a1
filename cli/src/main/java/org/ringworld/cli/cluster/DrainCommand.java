package org.ringworld.cli.cluster;

import java.util.concurrent.Callable;
import org.ringworld.cli.Ringworld;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Lets a node leave its cluster. */
@Command(
        name = "drain",
        description = "Let a node finish the step on its way and leave its cluster.",
        mixinStandardHelpOptions = true,
        footer = {"", "Example:", "  ringworld drain --cluster 10.0.0.2:25520"})
public final class DrainCommand implements Callable<Integer> {
    @Mixin private ClusterOptions cluster;

    @Override
    public Integer call() throws Exception {
        cluster.client().drain();
        return Ringworld.DONE;
    }
}
