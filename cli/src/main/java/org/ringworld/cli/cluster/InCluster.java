package org.ringworld.cli.cluster;

import java.nio.file.Path;
import org.ringworld.actors.cluster.ClusterClient;
import picocli.CommandLine.Option;

/** On a cluster's devices instead of this process's own. */
public final class InCluster {
    @Option(
            names = "--cluster",
            required = true,
            paramLabel = "HOST:PORT",
            description = "On the devices of this cluster; the paths are those of its nodes.")
    private String node;

    @Option(
            names = "--tls",
            paramLabel = "KEY,CERTIFICATE,AUTHORITY",
            split = ",",
            description = "PEM files that the cluster trusts, where it uses TLS.")
    private Path[] tls;

    public ClusterClient client() {
        return ClusterOptions.client(node, tls);
    }
}
