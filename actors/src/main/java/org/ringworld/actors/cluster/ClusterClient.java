package org.ringworld.actors.cluster;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;
import org.ringworld.actors.Faults;
import org.ringworld.actors.cluster.tls.Tls;
import org.ringworld.actors.queue.QueueRequest;
import org.ringworld.model.training.MetricsFile;
import org.ringworld.model.training.StepMetrics;
import org.ringworld.model.training.coordination.Progress;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobFile;
import org.ringworld.model.training.job.JobText;
import org.ringworld.model.training.job.UsageException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A cluster as those see it who are no members: it takes jobs, tells of them and stops them. Any
 * node answers for the whole; where one cannot be reached, the next is asked.
 *
 * @param nodes {@code host:port} of at least one node
 * @param tls files that the cluster trusts; null where it uses no TLS
 * @param patience how long a job that is followed may not be heard of, as while the queue's leader
 *     is lost and another takes over
 */
public record ClusterClient(List<String> nodes, NodeSettings.TlsFiles tls, Duration patience) {
    /** The first node of this machine, where nothing else is said. */
    public static final String LOCAL = "127.0.0.1:25520";

    private static final Duration ANSWER = Duration.ofSeconds(20);
    private static final Duration PAUSE = Duration.ofMillis(500);

    /** So long the last fronts of a cluster may take to know a model that others serve already. */
    private static final Duration OPENING = Duration.ofSeconds(10);

    /**
     * The cluster that a node belongs to, or one of several of its nodes; none: {@link #LOCAL}.
     *
     * @param nodes {@code host:port} each
     */
    public static ClusterClient of(String... nodes) {
        List<String> all = nodes.length == 0 ? List.of(LOCAL) : List.of(nodes);
        return new ClusterClient(all, null, Duration.ofMinutes(1));
    }

    /** The same cluster, which asks for a certificate. */
    public ClusterClient withTls(NodeSettings.TlsFiles files) {
        return new ClusterClient(nodes, files, patience);
    }

    /**
     * Gives it a job, whose relative paths are of this process's directory; its nodes must reach
     * them too.
     *
     * @return the job's id
     * @throws IOException in the cluster's own sentence where it does not take the job
     */
    public String submit(Job job) throws IOException, InterruptedException {
        Config config = JobFile.resolve(ConfigFactory.parseString(job.text()), List.of());
        Config absolute = JobText.absolute(config, Path.of("").toAbsolutePath());
        return ask(new QueueRequest.Submit(JobText.render(absolute))).path("id").asString();
    }

    /**
     * Follows a job to its end; an interrupt ends the following, not the job. Of what was told
     * before, as to one that comes late or takes long to listen, the last few thousand things are
     * kept.
     *
     * @param listener hears what happens, one thing at a time, the last of them too
     * @return how it ended: Completed, Interrupted, or Failed; also Failed where it was not heard
     *     of for so long that it counts as lost
     */
    public Progress follow(String job, Consumer<Progress> listener) throws InterruptedException {
        Progress end = null;
        long step = 0;
        long heard = 0;
        try (HttpClient http = http()) {
            while (end == null) {
                JsonNode part = askPatiently(http, new QueueRequest.Follow(job, heard));
                for (JsonNode one : part.path("progress")) {
                    Progress progress = JsonMapper.shared().treeToValue(one, Progress.class);
                    if (progress instanceof Progress.Stepped stepped) {
                        step = stepped.metrics().step();
                    }
                    listener.accept(
                            progress instanceof Progress.Formed f
                                    ? withEarlier(http, f, job)
                                    : progress);
                }
                boolean more = part.path("next").asLong() > heard;
                heard = part.path("next").asLong();
                if (part.has("end")) {
                    end = JsonMapper.shared().treeToValue(part.path("end"), Progress.class);
                } else if (!more) {
                    Thread.sleep(PAUSE);
                }
            }
        } catch (IOException e) {
            String sentence = "job %s is not heard of any more, and may go on: %s";
            end = new Progress.Failed(sentence.formatted(job, Faults.sentence(e)), step, null);
        }
        listener.accept(end);
        return end;
    }

    /** The steps on record, where there are some that whoever follows was not told. */
    private Progress.Formed withEarlier(HttpClient http, Progress.Formed formed, String job)
            throws IOException, InterruptedException {
        if (formed.earlier() == null || formed.step() == 0) {
            return formed;
        }
        StringBuilder text = new StringBuilder();
        long from = 0;
        JsonNode part;
        do {
            part = askPatiently(http, new QueueRequest.Metrics(job, from));
            text.append(part.path("text").asString());
            from = part.path("next").asLong();
        } while (from < part.path("size").asLong());
        List<StepMetrics> earlier = MetricsFile.steps(text.toString(), formed.step());
        return new Progress.Formed(
                formed.epoch(), formed.size(), formed.device(), formed.step(), earlier);
    }

    /** A model that a cluster serves: as it stands among the jobs, and where it is asked. */
    public record Deployed(String id, List<String> addresses) {}

    /**
     * Has a saved model served to the clients of all nodes until it is stopped; returns when it is
     * ready.
     *
     * @throws IOException in the cluster's own sentence where that cannot be
     */
    public Deployed deploy(QueueRequest.Deploy deploy) throws IOException, InterruptedException {
        String id = ask(deploy).path("id").asString();
        long ready = 0;
        while (true) {
            JsonNode job = job(id);
            if (!job.path("state").asString().equals("running")) {
                throw new IOException(job.path("sentence").asString());
            }
            boolean some = job.path("epoch").asLong() > 0 && !job.path("fronts").isEmpty();
            ready = some && ready == 0 ? System.nanoTime() : ready;
            boolean all = job.path("opening").asInt() == 0;
            boolean none = all && job.path("fronts").isEmpty();
            if (none && !job.path("faults").isEmpty()) {
                stop(id);
                throw new IOException(job.path("faults").path(0).asString());
            }
            if (some && (all || System.nanoTime() - ready > OPENING.toNanos())) {
                return new Deployed(
                        id, job.path("fronts").valueStream().map(JsonNode::asString).toList());
            }
            Thread.sleep(PAUSE);
        }
    }

    private JsonNode job(String id) throws IOException, InterruptedException {
        for (JsonNode job : askPatiently(new QueueRequest.Jobs())) {
            if (job.path("id").asString().equals(id)) {
                return job;
            }
        }
        throw new IOException("the cluster knows nothing of %s any more".formatted(id));
    }

    /** Has a job save its state and end; submitted again it goes on. */
    public void stop(String job) throws IOException, InterruptedException {
        ask(new QueueRequest.Stop(job));
    }

    /** Has the node that answers finish its step and leave the cluster. */
    public void drain() throws IOException, InterruptedException {
        try (HttpClient http = http()) {
            post(http, "drain", "");
        }
    }

    /**
     * Asks the cluster's queue for something.
     *
     * @throws IOException where no node can be reached, or with the cluster's own sentence where it
     *     refuses
     */
    public JsonNode ask(QueueRequest request) throws IOException, InterruptedException {
        try (HttpClient http = http()) {
            return post(http, request.word(), request.argument());
        }
    }

    /** The same, asked again and again while patience lasts. */
    public JsonNode askPatiently(QueueRequest request) throws IOException, InterruptedException {
        try (HttpClient http = http()) {
            return askPatiently(http, request);
        }
    }

    private JsonNode askPatiently(HttpClient http, QueueRequest request)
            throws IOException, InterruptedException {
        long begun = System.nanoTime();
        while (true) {
            try {
                return post(http, request.word(), request.argument());
            } catch (IOException e) {
                if (System.nanoTime() - begun > patience.toNanos()) {
                    throw e;
                }
                Thread.sleep(PAUSE);
            }
        }
    }

    /** Only a node that has heard nothing is passed over: what is asked for is done once. */
    JsonNode post(HttpClient http, String what, String argument)
            throws IOException, InterruptedException {
        IOException unreached = null;
        for (String node : nodes) {
            try {
                return post(http, node, what, argument);
            } catch (ConnectException | HttpConnectTimeoutException e) {
                unreached = e;
            }
        }
        throw new IOException(
                "no node answers at %s; ./ringworld node starts one, --cluster HOST:PORT names another"
                        .formatted(String.join(", ", nodes)),
                unreached);
    }

    private JsonNode post(HttpClient http, String node, String what, String argument)
            throws IOException, InterruptedException {
        HttpRequest request =
                HttpRequest.newBuilder(control(node).resolve("/" + what))
                        .timeout(ANSWER)
                        .header(Control.HEADER, "1")
                        .POST(HttpRequest.BodyPublishers.ofString(argument))
                        .build();
        HttpResponse<String> response = http.send(request, HttpResponse.BodyHandlers.ofString());
        if (response.statusCode() != 200) {
            throw new IOException(response.body());
        }
        return JsonMapper.shared().readTree(response.body());
    }

    HttpClient http() throws IOException {
        HttpClient.Builder client = HttpClient.newBuilder().connectTimeout(ANSWER);
        if (tls != null) {
            client.sslContext(Tls.of(tls).context());
        }
        return client.build();
    }

    /** Where a node is asked: the third of its ports. */
    private URI control(String node) {
        try {
            int colon = node.lastIndexOf(':');
            String host = node.substring(0, colon);
            int port = Integer.parseInt(node.substring(colon + 1)) + 2;
            return URI.create("%s://%s:%d/".formatted(tls == null ? "http" : "https", host, port));
        } catch (IndexOutOfBoundsException | IllegalArgumentException e) {
            throw new UsageException("--cluster " + node + ": give host:port");
        }
    }
}
