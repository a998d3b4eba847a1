package org.ringworld.cli.cluster;

import java.nio.file.Path;
import org.ringworld.actors.cluster.ClusterClient;
import org.ringworld.actors.cluster.NodeSettings;
import org.ringworld.model.training.job.UsageException;
import picocli.CommandLine.Option;

/** Which cluster: the options that all commands have which ask one. */
public final class ClusterOptions {
    @Option(
            names = "--cluster",
            paramLabel = "HOST:PORT",
            description = "Any node of the cluster (default: ${DEFAULT-VALUE}).")
    private String node = ClusterClient.LOCAL;

    @Option(
            names = "--tls",
            paramLabel = "KEY,CERTIFICATE,AUTHORITY",
            split = ",",
            description = "PEM files that the cluster trusts, where it uses TLS.")
    private Path[] tls;

    ClusterClient client() {
        return client(node, tls);
    }

    /**
     * The cluster of a node.
     *
     * @param tls key, certificate and authority; null where it uses no TLS
     */
    public static ClusterClient client(String node, Path[] tls) {
        ClusterClient cluster = ClusterClient.of(node);
        if (tls == null) {
            return cluster;
        }
        if (tls.length != 3) {
            throw new UsageException("--tls takes three files: key, certificate, authority");
        }
        return cluster.withTls(new NodeSettings.TlsFiles(tls[0], tls[1], tls[2]));
    }
}
