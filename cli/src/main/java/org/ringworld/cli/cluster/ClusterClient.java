package org.ringworld.cli.cluster;

import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import org.ringworld.actors.cluster.Control;
import org.ringworld.actors.cluster.NodeSettings;
import org.ringworld.actors.cluster.tls.Tls;
import org.ringworld.model.training.job.UsageException;
import picocli.CommandLine.Option;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Asks any node of a cluster; the options that all commands have which do. */
public final class ClusterClient {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    @Option(
            names = "--cluster",
            paramLabel = "HOST:PORT",
            description = "Any node of the cluster (default: ${DEFAULT-VALUE}).")
    private String cluster = "127.0.0.1:25520";

    @Option(
            names = "--tls",
            paramLabel = "KEY,CERTIFICATE,AUTHORITY",
            split = ",",
            description = "PEM files that the cluster trusts, where it uses TLS.")
    private Path[] tls;

    public ClusterClient() {}

    public ClusterClient(String node, Path[] tls) {
        this.cluster = node;
        this.tls = tls;
    }

    /**
     * Asks for something.
     *
     * @throws IOException with the cluster's own sentence where it refuses
     */
    public JsonNode ask(String what, String argument) throws IOException, InterruptedException {
        int colon = cluster.lastIndexOf(':');
        if (colon < 0) {
            throw new UsageException("--cluster " + cluster + ": give host:port");
        }
        int port = Integer.parseInt(cluster.substring(colon + 1)) + 2;
        URI uri =
                URI.create(
                        "%s://%s:%d/%s"
                                .formatted(
                                        tls == null ? "http" : "https",
                                        cluster.substring(0, colon),
                                        port,
                                        what));
        HttpClient.Builder client = HttpClient.newBuilder().connectTimeout(PATIENCE);
        if (tls != null) {
            if (tls.length != 3) {
                throw new UsageException("--tls takes three files: key, certificate, authority");
            }
            client.sslContext(Tls.of(new NodeSettings.TlsFiles(tls[0], tls[1], tls[2])).context());
        }
        HttpRequest request =
                HttpRequest.newBuilder(uri)
                        .timeout(PATIENCE)
                        .header(Control.HEADER, "1")
                        .POST(HttpRequest.BodyPublishers.ofString(argument))
                        .build();
        try (HttpClient http = client.build()) {
            HttpResponse<String> response =
                    http.send(request, HttpResponse.BodyHandlers.ofString());
            if (response.statusCode() != 200) {
                throw new IOException(response.body());
            }
            return JsonMapper.shared().readTree(response.body());
        } catch (ConnectException e) {
            throw new IOException(
                    "no node answers at %s; ./ringworld node starts one, --cluster HOST:PORT names another"
                            .formatted(cluster),
                    e);
        }
    }
}
