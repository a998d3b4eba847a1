package org.ringworld.actors.cluster;

import java.io.IOException;
import java.net.http.HttpClient;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.ringworld.actors.Faults;
import org.ringworld.actors.queue.QueueRequest;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Load;
import org.ringworld.model.decode.Made;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Answers on devices of a cluster, which are this engine's own until it is closed. */
public final class ClusterEngine implements Engine {
    private static final long POLL_MILLIS = 20;

    /** Often enough for the cluster to know that somebody is there. */
    private static final long IDLE_POLL_MILLIS = 10_000;

    private final ClusterClient client;
    private final HttpClient http;
    private final String id;
    private final Map<Long, Open> open = new ConcurrentHashMap<>();
    private final Thread thread;
    // Permits where the listener has something to do before its time.
    private final Semaphore news = new Semaphore(0);
    private volatile boolean closed;

    private static final class Open {
        final Answer answer;
        int heard;

        Open(Answer answer) {
            this.answer = answer;
        }
    }

    /**
     * @param serve what is to be run; the path is every node's
     * @throws IOException where no node answers, or in the cluster's own sentence where it refuses
     */
    public ClusterEngine(ClusterClient client, QueueRequest.Serve serve)
            throws IOException, InterruptedException {
        this.client = client;
        this.http = client.http();
        this.id = post(serve).path("id").asString();
        this.thread = Thread.ofVirtual().name("cluster-engine").start(this::listen);
    }

    private JsonNode post(QueueRequest request) throws IOException, InterruptedException {
        return client.post(http, request.word(), request.argument());
    }

    @Override
    public Answer ask(Ask ask) {
        long[] number = new long[1];
        Answer answer = new Answer(ask, () -> cancel(number[0]));
        try {
            number[0] = post(new QueueRequest.Asked(id, ask)).path("number").asLong();
            open.put(number[0], new Open(answer));
            news.release();
        } catch (IOException e) {
            answer.ended(Faults.sentence(e));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            answer.ended("interrupted");
        }
        return answer;
    }

    /** The queue does not say. */
    @Override
    public Load load() {
        return Load.UNKNOWN;
    }

    private void cancel(long number) {
        if (open.remove(number) != null) {
            try {
                post(new QueueRequest.Cancel(id, number));
            } catch (IOException e) {
                // It ends by itself with the last of its tokens.
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** One request at a time: one that a later one overtook would forget what it does not name. */
    private void listen() {
        try {
            while (!closed) {
                try {
                    Map<Long, Integer> from = new HashMap<>();
                    open.forEach((number, one) -> from.put(number, one.heard));
                    JsonNode all = post(new QueueRequest.Answers(id, from));
                    all.properties()
                            .forEach(one -> hear(Long.parseLong(one.getKey()), one.getValue()));
                } catch (IOException e) {
                    String sentence = Faults.sentence(e);
                    open.values().forEach(one -> one.answer.ended(sentence));
                    open.clear();
                }
                long pause = open.isEmpty() ? IDLE_POLL_MILLIS : POLL_MILLIS;
                if (news.tryAcquire(pause, TimeUnit.MILLISECONDS)) {
                    news.drainPermits();
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void hear(long number, JsonNode text) {
        Open one = open.get(number);
        if (one == null) {
            return;
        }
        one.answer.begins(text.path("cached").asInt());
        for (JsonNode scores : text.path("scores")) {
            one.answer.scored(JsonMapper.shared().treeToValue(scores, Made.Scores.class));
        }
        for (JsonNode token : text.path("tokens")) {
            one.answer.token(JsonMapper.shared().treeToValue(token, Made.Token.class));
            one.heard++;
        }
        if (text.path("over").asBoolean()) {
            JsonNode fault = text.path("fault");
            one.answer.ended(fault.isNull() ? null : fault.asString());
            open.remove(number);
        }
    }

    /** Gives the devices back. */
    @Override
    public void close() {
        closed = true;
        news.release();
        try {
            thread.join();
            post(new QueueRequest.Stop(id));
        } catch (IOException e) {
            // It ends by itself when nobody has asked for a minute.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        http.close();
    }
}
