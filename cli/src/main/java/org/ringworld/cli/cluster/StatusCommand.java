package org.ringworld.cli.cluster;

import java.util.Locale;
import java.util.concurrent.Callable;
import org.ringworld.actors.queue.QueueRequest;
import org.ringworld.cli.LiveLine;
import org.ringworld.cli.Ringworld;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.databind.JsonNode;

/** The nodes of a cluster, their devices, and what runs on them. */
@Command(
        name = "status",
        description = "Show the nodes of a cluster, their devices and what runs on them.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples:",
            "  ringworld status",
            "  ringworld status --watch",
            "  ringworld status --json"
        })
public final class StatusCommand implements Callable<Integer> {
    @Mixin private ClusterOptions cluster;

    @Option(names = "--watch", description = "Show it again each second.")
    private boolean watch;

    @Option(names = "--json", description = "As JSON.")
    private boolean json;

    @Override
    public Integer call() throws Exception {
        while (true) {
            JsonNode status = cluster.client().ask(new QueueRequest.Status());
            if (watch) {
                System.out.print(LiveLine.onTerminal() ? "\033[H\033[2J" : "\n");
            }
            if (json) {
                System.out.println(status.toPrettyString());
            } else {
                print(status);
            }
            if (!watch) {
                return Ringworld.DONE;
            }
            Thread.sleep(1000);
        }
    }

    private static void print(JsonNode status) {
        System.out.printf("cluster %s%n", status.path("cluster").asString());
        for (JsonNode member : status.path("members")) {
            boolean queue = status.path("queue").asString().endsWith("@" + address(member));
            System.out.printf(
                    "  %-24s %-8s %s%s%n",
                    address(member),
                    member.path("status").asString().toLowerCase(Locale.ROOT),
                    member.path("reachable").asBoolean() ? "" : "unreachable ",
                    queue ? "keeps the queue" : "");
            for (JsonNode device : member.path("devices")) {
                String job = device.path("job").asString();
                System.out.printf(
                        "    %-22s %s%s%n",
                        device.path("name").asString(),
                        job.isEmpty() ? "free" : job,
                        device.path("draining").asBoolean() ? " (leaving)" : "");
            }
        }
        System.out.println("jobs");
        for (JsonNode job : status.path("jobs")) {
            System.out.println("  " + line(job));
            for (JsonNode rank : job.path("ranks")) {
                System.out.printf(
                        Locale.ROOT,
                        "    %-32s %.3f s a step, waiting %.3f s, receiving %.3f s (%.3f s not hidden)%n",
                        rank.path("device").asString(),
                        rank.path("secondsCompute").asDouble(),
                        rank.path("secondsWait").asDouble(),
                        rank.path("secondsReceiving").asDouble(),
                        rank.path("secondsExposed").asDouble());
            }
        }
    }

    private static String address(JsonNode member) {
        String whole = member.path("address").asString();
        return whole.substring(whole.indexOf('@') + 1);
    }

    /** A job in one line. */
    static String line(JsonNode job) {
        StringBuilder line = new StringBuilder();
        line.append(
                "%-20s %-8s".formatted(job.path("id").asString(), job.path("state").asString()));
        if (job.has("step")) {
            line.append(
                    String.format(
                            Locale.ROOT,
                            " step %d/%d  loss %.3f  %.0f tokens/s ",
                            job.path("step").asLong(),
                            job.path("steps").asLong(),
                            job.path("loss").asDouble(),
                            job.path("tokensPerSecond").asDouble()));
        }
        if (job.has("devices")) {
            line.append(
                    " %d of %d devices  epoch %d"
                            .formatted(
                                    job.path("devices").asInt(),
                                    job.path("ringSize").asInt(),
                                    job.path("epoch").asLong()));
        }
        return line.append("  ").append(job.path("sentence").asString()).toString().stripTrailing();
    }
}
