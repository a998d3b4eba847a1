package org.ringworld.cli.cluster;

import java.io.IOException;
import java.util.concurrent.Callable;
import org.ringworld.actors.cluster.ClusterClient;
import org.ringworld.actors.queue.QueueRequest;
import org.ringworld.cli.Ringworld;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;

/** What a job of a cluster says of itself. */
@Command(
        name = "logs",
        description = "Print what a job of a cluster says of itself.",
        mixinStandardHelpOptions = true,
        footer = {"", "Example:", "  ringworld logs 3-needles --follow"})
public final class LogsCommand implements Callable<Integer> {
    private static final long PAUSE_MILLIS = 500;

    @Parameters(paramLabel = "JOB", description = "As 'ringworld jobs' names it.")
    private String job;

    @Mixin private ClusterOptions cluster;

    @Option(names = "--follow", description = "Go on until the job is over.")
    private boolean follow;

    @Override
    public Integer call() throws Exception {
        return follow(cluster.client(), job, follow);
    }

    /** Prints a job's log, with {@code on} until it is over; then says how it ended. */
    static int follow(ClusterClient cluster, String job, boolean on)
            throws IOException, InterruptedException {
        long next = 0;
        while (true) {
            QueueRequest request = new QueueRequest.Log(job, next);
            JsonNode part = on ? cluster.askPatiently(request) : cluster.ask(request);
            boolean more = part.path("next").asLong() > next;
            next = part.path("next").asLong();
            System.out.print(part.path("text").asString());
            System.out.flush();
            if (!more && part.path("over").asBoolean()) {
                String state = part.path("state").asString();
                System.out.printf("job %s: %s, %s%n", job, state, part.path("sentence").asString());
                return state.equals("done") ? Ringworld.DONE : Ringworld.FAILED;
            }
            if (!more && !on) {
                return Ringworld.DONE;
            }
            if (!more) {
                Thread.sleep(PAUSE_MILLIS);
            }
        }
    }
}
