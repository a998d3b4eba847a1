package org.ringworld.actors.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BinaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.ringworld.actors.Training;
import org.ringworld.model.training.StepMetrics;
import org.ringworld.model.training.coordination.Progress;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobReader;
import org.ringworld.model.training.job.UsageException;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Jobs given to a cluster by a program, where the cluster's part is played by a script. */
class ClusterClientTest {
    private static final Job JOB =
            JobReader.read("stages = [{ task = copy, seqLen = 64, steps = 3 }]", "output=runs/x");
    private static final Progress DONE = new Progress.Completed(Path.of("/runs/x/final"));

    private final List<Progress> heard = new ArrayList<>();
    private HttpServer server;
    private ClusterClient cluster;

    /** What is answered to a word and its argument; null: refused, as while no leader is there. */
    private BinaryOperator<String> answers;

    @BeforeEach
    void start() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", this::answer);
        server.start();
        cluster = ClusterClient.of(node(server.getAddress().getPort()));
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    /** Of the node whose port for control that is. */
    private static String node(int control) {
        return "127.0.0.1:" + (control - 2);
    }

    private void answer(HttpExchange exchange) throws IOException {
        String argument =
                new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
        String what = exchange.getRequestURI().getPath().substring(1);
        String answer = answers.apply(what, argument);
        byte[] body = (answer == null ? "no leader" : answer).getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(answer == null ? 409 : 200, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    private static String part(long next, Progress end, Progress... told) {
        ObjectNode node = JsonMapper.shared().createObjectNode().put("next", next);
        for (Progress one : told) {
            node.withArray("progress").add(JsonMapper.shared().<ObjectNode>valueToTree(one));
        }
        if (end != null) {
            node.set("end", JsonMapper.shared().<ObjectNode>valueToTree(end));
        }
        return node.toString();
    }

    private static StepMetrics metrics(long step) {
        return new StepMetrics(step, 0, 1, 1, 0.5, 0, 0, 0, 64, 64, 1, 1, 0, 0, 1, 0, null, null);
    }

    private static Progress stepped(long step) {
        return new Progress.Stepped(metrics(step), List.of());
    }

    @Test
    void aProgramHearsAClustersJobAsItHearsItsOwn() throws Exception {
        List<String> submitted = new ArrayList<>();
        answers =
                (what, argument) ->
                        switch (what + " " + argument) {
                            case "follow 1-x 0" -> part(7, null, stepped(1), stepped(2));
                            case "follow 1-x 7" -> part(8, DONE, stepped(3));
                            default -> {
                                submitted.add(argument);
                                yield "{\"id\": \"1-x\"}";
                            }
                        };
        assertThat(Training.run(JOB, cluster, heard::add)).isEqualTo(DONE);
        assertThat(heard).containsExactly(stepped(1), stepped(2), stepped(3), DONE);
        Job there = JobReader.read(submitted.getFirst());
        assertThat(there.output()).isEqualTo(Path.of("runs/x").toAbsolutePath());
        assertThat(there.curriculum()).isEqualTo(JOB.curriculum());
    }

    @Test
    void nothingIsMissedOrToldTwiceWhileAnotherLeaderTakesOver() throws Exception {
        int[] away = {0};
        answers =
                (_, argument) ->
                        switch (argument) {
                            case "1-x 0" -> part(7, null, stepped(1));
                            case "1-x 7" -> away[0]++ < 2 ? null : part(9, DONE, stepped(2));
                            default -> throw new AssertionError(argument);
                        };
        assertThat(cluster.follow("1-x", heard::add)).isEqualTo(DONE);
        assertThat(heard).containsExactly(stepped(1), stepped(2), DONE);
    }

    @Test
    void stepsOnRecordComeWithTheRingThatGoesOnAfterThem() throws Exception {
        String lines = "";
        for (int step = 1; step <= 4; step++) {
            lines += JsonMapper.shared().writeValueAsString(metrics(step)) + "\n";
        }
        String all = lines;
        answers =
                (what, argument) -> {
                    if (what.equals("follow")) {
                        Progress formed = new Progress.Formed(2, 1, "cpu", 3, List.of());
                        return part(1, DONE, formed);
                    }
                    int from = Integer.parseInt(argument.substring("1-x ".length()));
                    int to = Math.min(from + 100, all.length());
                    ObjectNode some = JsonMapper.shared().createObjectNode();
                    some.put("text", all.substring(from, to)).put("next", to);
                    return some.put("size", all.length()).toString();
                };
        cluster.follow("1-x", heard::add);
        List<StepMetrics> earlier = List.of(metrics(1), metrics(2), metrics(3));
        assertThat(heard).containsExactly(new Progress.Formed(2, 1, "cpu", 3, earlier), DONE);
    }

    @Test
    void aClusterThatIsLostIsToldAsTheEnd() throws Exception {
        ClusterClient hasty = new ClusterClient(cluster.nodes(), null, Duration.ofMillis(100));
        answers =
                (_, argument) -> {
                    if (argument.equals("1-x 0")) {
                        return part(7, null, stepped(5));
                    }
                    return null;
                };
        Progress end = hasty.follow("1-x", heard::add);
        assertThat(end)
                .isEqualTo(
                        new Progress.Failed(
                                "job 1-x is not heard of any more, and may go on: no leader",
                                5,
                                null));
        assertThat(heard).containsExactly(stepped(5), end);
    }

    @Test
    void aNodeThatCannotBeReachedIsPassedOver() throws Exception {
        int free;
        try (ServerSocket socket = new ServerSocket(0)) {
            free = socket.getLocalPort();
        }
        answers = (_, _) -> part(1, DONE);
        ClusterClient two = ClusterClient.of(node(free), cluster.nodes().getFirst());
        assertThat(two.follow("1-x", heard::add)).isEqualTo(DONE);
        assertThatThrownBy(() -> ClusterClient.of(node(free)).submit(JOB))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("no node answers at " + node(free));
    }

    @Test
    void aJobThatIsNotTakenIsSaidSoBeforeItIsFollowed() {
        answers = (_, _) -> null;
        assertThatThrownBy(() -> Training.run(JOB, cluster, heard::add))
                .isInstanceOf(IOException.class)
                .hasMessage("no leader");
        assertThat(heard).isEmpty();
        assertThatThrownBy(() -> ClusterClient.of("gpu3").submit(JOB))
                .isInstanceOf(UsageException.class)
                .hasMessage("--cluster gpu3: give host:port");
    }
}
