package org.ringworld.actors.cluster;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigParseOptions;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.ringworld.actors.http.HttpSettings;
import org.ringworld.model.ring.LinkAddress;
import org.ringworld.model.training.job.DeviceReader;
import org.ringworld.model.training.job.JobFile;
import org.ringworld.runtime.DeviceSpec;

/**
 * How a node takes part in a cluster: the keys of NODE.conf, whose defaults are node-defaults.conf.
 *
 * @param port of Artery; links, control, health and bootstrap have the four after it, HTTP the
 *     fifth unless it is told otherwise
 * @param peers some nodes of the cluster
 * @param dns a name whose addresses are the nodes, all with this node's port; null: the peers
 * @param devices that it gives to the cluster
 * @param queue the directory of the cluster's jobs, which every node reaches
 * @param sockets the directory of unix-domain sockets
 * @param tls null: plain
 * @param http where clients ask for models that the cluster serves
 */
public record NodeSettings(
        String cluster,
        String host,
        int port,
        List<NodeAddress> peers,
        String dns,
        int minNodes,
        List<DeviceSpec> devices,
        Path queue,
        Path sockets,
        TlsFiles tls,
        HttpSettings http) {
    private static final String LOOPBACK = "127.0.0.1";

    /** PEM files. */
    public record TlsFiles(Path key, Path certificate, Path authority) {}

    public int linksPort() {
        return port + 1;
    }

    public int controlPort() {
        return port + 2;
    }

    public int healthPort() {
        return port + 3;
    }

    public int bootstrapPort() {
        return port + 4;
    }

    /** Settings over the defaults: {@code key=value}, as on the command line. */
    public static NodeSettings read(List<String> settings) {
        Config defaults = ConfigFactory.parseResources(NodeSettings.class, "/node-defaults.conf");
        return of(JobFile.settings(settings, defaults.resolve()));
    }

    /**
     * Settings of a resolved NODE.conf.
     *
     * @throws IllegalArgumentException in a sentence
     * @throws org.ringworld.model.training.job.UsageException where a device is none
     */
    public static NodeSettings of(Config config) {
        String host = NodeAddress.host("host", config.getString("host"));
        TlsFiles tls =
                config.getIsNull("tls.key")
                        ? null
                        : new TlsFiles(
                                path(config, "tls.key"),
                                path(config, "tls.certificate"),
                                path(config, "tls.authority"));
        if (tls == null && !LinkAddress.isLoopback(host) && !config.getBoolean("insecure")) {
            throw new IllegalArgumentException(
                    "host = %s can be reached from other machines: give tls.key, tls.certificate and tls.authority (ringworld certificates makes them), or say insecure = true"
                            .formatted(host));
        }
        NodeAddress own = new NodeAddress(host, config.getInt("port")).checked("port");
        return new NodeSettings(
                config.getString("cluster"),
                own.host(),
                own.port(),
                config.getStringList("peers").stream()
                        .map(peer -> NodeAddress.of("peers", peer))
                        .toList(),
                config.getIsNull("dns") ? null : config.getString("dns"),
                config.getInt("minNodes"),
                DeviceReader.read(config, Runtime.getRuntime().availableProcessors()),
                path(config, "queue"),
                Path.of(System.getProperty("java.io.tmpdir")),
                tls,
                http(config, own));
    }

    /** On loopback unless it is told otherwise. */
    private static HttpSettings http(Config config, NodeAddress own) {
        String host = LinkAddress.isLoopback(own.host()) ? own.host() : LOOPBACK;
        Config http = config.getConfig("http");
        Config places =
                ConfigFactory.parseMap(
                        Map.of(
                                "http.host",
                                http.getIsNull("host") ? host : http.getString("host"),
                                "http.port",
                                http.getIsNull("port")
                                        ? httpPort(own.port())
                                        : http.getInt("port")));
        return HttpSettings.of(places.withFallback(config));
    }

    private static int httpPort(int port) {
        return port + 5;
    }

    private static Path path(Config config, String key) {
        return Path.of(config.getString(key)).toAbsolutePath();
    }

    /** The host as a part of a URI. */
    String uriHost() {
        return address().uriHost();
    }

    /** Where it is. */
    public NodeAddress address() {
        return new NodeAddress(host, port);
    }

    /**
     * The same node as it takes part: under the name by which its peers know it, so that all of
     * them speak of the same nodes. Where it is none of the peers, and these are only the defaults,
     * it is its own first peer.
     *
     * @param named whether somebody named the peers
     */
    public NodeSettings among(boolean named) {
        if (dns != null) {
            return this;
        }
        NodeAddress own = address();
        NodeAddress known = peers.stream().filter(own::isSameAs).findFirst().orElse(own);
        boolean alone = peers.isEmpty() || (!named && !peers.contains(known));
        return new NodeSettings(
                cluster,
                known.host(),
                port,
                alone ? List.of(known) : peers,
                null,
                minNodes,
                devices,
                queue,
                sockets,
                tls,
                http);
    }

    /** The same node on another port, and so its HTTP, unless that has one of its own. */
    public NodeSettings at(int otherPort) {
        return new NodeSettings(
                cluster,
                host,
                otherPort,
                peers,
                dns,
                minNodes,
                devices,
                queue,
                sockets,
                tls,
                http.port() == httpPort(port) ? http.at(httpPort(otherPort)) : http);
    }

    /** The actor system's configuration: cluster.conf with this node's addresses. */
    Config toPekko() {
        String endpoints =
                peers.stream()
                        .map(
                                p ->
                                        "{ host = \"%s\", port = %d }"
                                                .formatted(p.uriHost(), p.port() + 4))
                        .collect(Collectors.joining(", ", "[", "]"));
        String settings =
                """
                pekko.remote.artery.canonical { hostname = "%s", port = %d }
                pekko.management.http { hostname = "%s", port = %d }
                pekko.discovery.config.services.ringworld.endpoints = %s
                pekko.management.cluster.bootstrap.contact-point-discovery.required-contact-point-nr = %d
                pekko.management.cluster.bootstrap.new-cluster-enabled = %s
                """
                        .formatted(
                                address().uriHost(),
                                port,
                                address().uriHost(),
                                bootstrapPort(),
                                endpoints,
                                minNodes,
                                mayBegin());
        String named =
                dns == null
                        ? ""
                        : """
                          pekko.io.dns.resolver = async-dns
                          pekko.discovery.method = pekko-dns
                          pekko.management.cluster.bootstrap {
                            contact-point-discovery { discovery-method = pekko-dns, service-name = "%s" }
                            contact-point.fallback-port = %d
                          }
                          """
                                .formatted(dns, bootstrapPort());
        String secured =
                tls == null
                        ? ""
                        : """
                          pekko.remote.artery.transport = tls-tcp
                          """;
        return ConfigFactory.parseString(settings + named + secured)
                .withFallback(
                        ConfigFactory.parseResources(
                                NodeSettings.class,
                                "/cluster.conf",
                                ConfigParseOptions.defaults().setAllowMissing(false)))
                .withFallback(ConfigFactory.load())
                .resolve();
    }

    /**
     * Two that start at once, each alone, would be two clusters: only the first peer may be alone.
     */
    private boolean mayBegin() {
        return minNodes > 1 || dns != null || peers.isEmpty() || peers.getFirst().equals(address());
    }

    /** Whom a node that is in no cluster yet waits for, and what to type if nobody comes. */
    String waitsFor() {
        if (dns != null) {
            return "waits for a cluster: one of the nodes at %s must let it in, or %d be there (minNodes)"
                    .formatted(dns, minNodes);
        }
        String asked = peers.stream().map(NodeAddress::toString).collect(Collectors.joining(", "));
        String others = "waits for a cluster: one of %s must let it in".formatted(asked);
        if (minNodes > 1) {
            return "%s, or %d of them be there (minNodes): start more nodes, or give minNodes=1"
                    .formatted(others, minNodes);
        }
        if (mayBegin()) {
            return others;
        }
        return "%s, and only the first begins a new one. Start that one there (ringworld node port=%d), or let this one begin: ringworld node port=%d 'peers=[\"%s\"]'"
                .formatted(others, peers.getFirst().port(), port, address());
    }
}
