package org.ringworld.cli.cluster;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.apache.pekko.actor.typed.ActorSystem;
import org.ringworld.actors.cluster.Node;
import org.ringworld.actors.cluster.NodeSettings;
import org.ringworld.cli.Ringworld;
import org.ringworld.model.training.job.JobFile;
import org.ringworld.model.training.job.KeyValue;
import org.ringworld.model.training.job.UsageException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** One process of a cluster. */
@Command(
        name = "node",
        description = "Start a node of a cluster; it finds the others by itself.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Without NODE.conf it is one of up to four nodes of this machine, on loopback: the ports from"
                    + " 25520, 25530, 25540 or 25550 on, whichever are free. Ctrl-C lets it leave in good"
                    + " order. A node that the cluster has taken out ends with code 255 and is to be"
                    + " started again.",
            "",
            "Keys: cluster, host, port, peers, minNodes, devices, queue, http.{host,port,apiKey,…}, tls.{key,certificate,authority}, insecure.",
            "",
            "Examples:",
            "  ringworld node",
            "  ringworld node 'devices=[{cpu{threads=2}}]'",
            "  ringworld node 'devices=[cpu,{cpu{threads=2,memory=8 GiB}}]'",
            "  ringworld node host=10.0.0.1 minNodes=2 \\",
            "     'peers=[\"10.0.0.1:25520\",\"10.0.0.2:25520\"]' \\",
            "     tls.key=node.key tls.certificate=node.crt \\",
            "     tls.authority=ca.crt queue=/shared/queue"
        })
public final class NodeCommand implements Callable<Integer> {
    private static final int NODES_OF_A_MACHINE = 4;
    private static final int PORTS_OF_A_NODE = 6;

    @Parameters(
            arity = "0..*",
            paramLabel = "NODE.conf | key=value",
            description = "A node's file and overrides of its keys.")
    private List<String> arguments = List.of();

    /** Kept open for as long as this process lives. */
    private static FileChannel claims;

    @Override
    public Integer call() throws Exception {
        NodeSettings settings = settings(arguments);
        ActorSystem<Node.Command> system = Node.start(settings, new ClusterRuns());
        System.out.printf(
                "node of %s at %s, %d device%s%n",
                settings.cluster(),
                settings.address(),
                settings.devices().size(),
                settings.devices().size() == 1 ? "" : "s");
        system.getWhenTerminated().toCompletableFuture().join();
        return Ringworld.DONE;
    }

    static NodeSettings settings(List<String> arguments) {
        Config defaults = ConfigFactory.parseResources(NodeSettings.class, "/node-defaults.conf");
        List<String> overrides = new ArrayList<>();
        Config given = ConfigFactory.empty();
        for (String argument : arguments) {
            if (argument.contains("=")) {
                overrides.add(argument);
            } else {
                given = JobFile.read(Path.of(KeyValue.withHome(argument)));
            }
        }
        try {
            Config config = JobFile.settings(overrides, given.withFallback(defaults).resolve());
            NodeSettings settings = NodeSettings.of(config);
            boolean ownPort = isGiven("port", given, overrides);
            boolean ownPeers = isGiven("peers", given, overrides);
            return (ownPort ? settings : settings.at(freePort(settings))).among(ownPeers);
        } catch (ConfigException | IllegalArgumentException e) {
            throw new UsageException("the node does not fit: " + e.getMessage());
        } catch (IOException e) {
            throw new UsageException("no port could be had: " + e.getMessage());
        }
    }

    private static boolean isGiven(String key, Config file, List<String> overrides) {
        return file.hasPath(key) || overrides.stream().anyMatch(o -> o.startsWith(key + "="));
    }

    private static int freePort(NodeSettings settings) throws IOException {
        for (int i = 0; i < NODES_OF_A_MACHINE; i++) {
            int port = settings.port() + 10 * i;
            if (isClaimed(port)) {
                if (areFree(settings.host(), port)) {
                    return port;
                }
                claims.close();
            }
        }
        throw new UsageException(
                "the ports from %d on are in use by %d nodes; give another port="
                        .formatted(settings.port(), NODES_OF_A_MACHINE));
    }

    /**
     * Two nodes that start at once, as after waiting for the same build, would both find the first
     * ports free. The claim ends with this process; its file stays, so each user has files of their
     * own, and between users the ports alone tell.
     */
    private static boolean isClaimed(int port) {
        String user = System.getProperty("user.name").replaceAll("[^A-Za-z0-9._-]", "_");
        Path file =
                Path.of(
                        System.getProperty("java.io.tmpdir"),
                        "ringworld-node-" + user + "-" + port);
        try {
            claims = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            if (claims.tryLock() != null) {
                return true;
            }
            claims.close();
            return false;
        } catch (OverlappingFileLockException e) {
            return true; // this process's own
        } catch (IOException e) {
            return false; // not a file of this user's
        }
    }

    private static boolean areFree(String host, int first) {
        for (int port = first; port < first + PORTS_OF_A_NODE; port++) {
            try (ServerSocket socket = new ServerSocket()) {
                socket.bind(new InetSocketAddress(host, port));
            } catch (IOException e) {
                return false;
            }
        }
        return true;
    }
}
