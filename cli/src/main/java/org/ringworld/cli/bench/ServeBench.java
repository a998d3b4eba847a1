package org.ringworld.cli.bench;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.ringworld.model.training.job.JobFile;
import org.ringworld.model.training.job.JobReader;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A server under load: clients that read streams, some at once; and one beside a long prompt. */
final class ServeBench implements AutoCloseable {
    private static final Config DEFAULTS =
            ConfigFactory.parseString(
                    """
                    url = "http://127.0.0.1:8080"
                    apiKey = null
                    clients = [1, 4, 16, 64]
                    requests = 2
                    prompt = 128
                    tokens = 64
                    long = 0
                    moments = 20
                    """);

    /** Tokens that every model has. */
    private static final int IDS = 250;

    /**
     * @param tokensPerSecond of all clients together
     * @param first seconds to the first token: median and 99 of 100
     * @param each seconds from a token to the next, likewise
     */
    record Row(
            String what,
            int clients,
            double tokensPerSecond,
            double first,
            double first99,
            double each,
            double each99) {}

    /** When each token of a text came, after it was asked for; seconds. */
    private record Came(List<Double> at) {}

    private final HttpClient http = HttpClient.newHttpClient();
    private final SplittableRandom random = new SplittableRandom(1);
    private final String url;
    private final String apiKey;
    private final String model;

    private ServeBench(Config config) throws IOException, InterruptedException {
        this.url = config.getString("url");
        this.apiKey = config.getIsNull("apiKey") ? null : config.getString("apiKey");
        HttpResponse<String> models =
                http.send(request("/v1/models").build(), HttpResponse.BodyHandlers.ofString());
        JsonNode first = JsonMapper.shared().readTree(models.body()).path("data").path(0);
        if (models.statusCode() != 200 || first.isMissingNode()) {
            throw new IOException(url + " serves no model: " + models.body());
        }
        this.model = first.path("id").asString();
    }

    private HttpRequest.Builder request(String path) {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url + path));
        return apiKey == null ? request : request.header("Authorization", "Bearer " + apiKey);
    }

    static List<Row> print(List<String> settings) throws Exception {
        Config config = JobFile.settings(settings, DEFAULTS);
        int prompt = JobReader.positive(config, "prompt");
        int tokens = JobReader.positive(config, "tokens");
        List<Row> rows = new ArrayList<>();
        try (ServeBench bench = new ServeBench(config)) {
            System.out.printf("%s at %s, %d + %d tokens%n", bench.model, bench.url, prompt, tokens);
            System.out.printf(
                    "%-26s %7s %10s %9s %9s %9s %9s%n",
                    "", "clients", "tokens/s", "first", "99 %", "each", "99 %");
            bench.together(2, 4, prompt, tokens); // code is compiled
            for (int clients : config.getIntList("clients")) {
                int each = JobReader.positive(config, "requests");
                rows.add(bench.together(clients, each, prompt, tokens));
                print(rows.getLast());
            }
            if (config.getInt("long") > 0) {
                int moments = JobReader.positive(config, "moments");
                rows.add(bench.alone(prompt, tokens, moments));
                print(rows.getLast());
                rows.add(bench.beside(config.getInt("long"), prompt, tokens, moments));
                print(rows.getLast());
            }
        }
        return rows;
    }

    private Row together(int clients, int each, int prompt, int tokens) throws Exception {
        List<FutureTask<List<Came>>> tasks = new ArrayList<>();
        long start = System.nanoTime();
        for (int c = 0; c < clients; c++) {
            List<String> bodies = Stream.generate(() -> body(prompt, tokens)).limit(each).toList();
            FutureTask<List<Came>> task = new FutureTask<>(() -> read(bodies));
            tasks.add(task);
            Thread.ofVirtual().start(task);
        }
        List<Came> streams = new ArrayList<>();
        for (FutureTask<List<Came>> task : tasks) {
            streams.addAll(task.get());
        }
        return row("together", clients, streams, (System.nanoTime() - start) * 1e-9);
    }

    private Row alone(int prompt, int tokens, int moments) throws Exception {
        long start = System.nanoTime();
        List<Came> streams = new ArrayList<>();
        for (int i = 0; i < moments; i++) {
            streams.addAll(read(List.of(body(prompt, tokens))));
        }
        return row("alone", 1, streams, (System.nanoTime() - start) * 1e-9);
    }

    /** While another client's long prompt is read, each time a new one; at random moments. */
    private Row beside(int length, int prompt, int tokens, int moments)
            throws InterruptedException, ExecutionException, IOException {
        List<Came> streams = new ArrayList<>();
        long start = System.nanoTime();
        FutureTask<List<Came>> reading = null;
        for (int i = 0; i < moments; i++) {
            if (reading == null || reading.isDone()) {
                String longest = body(length, 1);
                reading = new FutureTask<>(() -> read(List.of(longest)));
                Thread.ofVirtual().start(reading);
                Thread.sleep(200); // it is on its way
            }
            Thread.sleep(random.nextInt(200));
            streams.addAll(read(List.of(body(prompt, tokens))));
        }
        double seconds = (System.nanoTime() - start) * 1e-9;
        reading.get();
        return row("beside a prompt of " + length, 1, streams, seconds);
    }

    private String body(int prompt, int tokens) {
        String ids =
                random.ints(prompt, 0, IDS)
                        .mapToObj(Integer::toString)
                        .collect(Collectors.joining(","));
        return """
        {"model": "%s", "prompt": [%s], "max_tokens": %d, "temperature": 0, "stream": true, "logprobs": 0}
        """
                .formatted(model, ids, tokens);
    }

    private List<Came> read(List<String> bodies) throws IOException, InterruptedException {
        List<Came> streams = new ArrayList<>();
        for (String body : bodies) {
            long start = System.nanoTime();
            HttpResponse<Stream<String>> answer =
                    http.send(
                            request("/v1/completions")
                                    .header("Content-Type", "application/json")
                                    .POST(HttpRequest.BodyPublishers.ofString(body))
                                    .build(),
                            HttpResponse.BodyHandlers.ofLines());
            List<Double> came = new ArrayList<>();
            for (Iterator<String> lines = answer.body().iterator(); lines.hasNext(); ) {
                String line = lines.next();
                if (answer.statusCode() != 200) {
                    throw new IOException(url + " refuses: " + line);
                }
                if (line.startsWith("data: {")) {
                    int tokens = tokens(JsonMapper.shared().readTree(line.substring(6)));
                    double now = (System.nanoTime() - start) * 1e-9;
                    for (int i = 0; i < tokens; i++) {
                        came.add(now);
                    }
                }
            }
            streams.add(new Came(came));
        }
        return streams;
    }

    private int tokens(JsonNode chunk) throws IOException {
        if (chunk.has("error")) {
            throw new IOException(url + ": " + chunk.path("error").path("message").asString());
        }
        return chunk.path("choices").path(0).path("logprobs").path("tokens").size();
    }

    private static Row row(String what, int clients, List<Came> streams, double seconds) {
        double[] first = streams.stream().mapToDouble(s -> s.at.getFirst()).sorted().toArray();
        double[] each =
                streams.stream()
                        .filter(s -> s.at.size() > 1)
                        .mapToDouble(s -> (s.at.getLast() - s.at.getFirst()) / (s.at.size() - 1))
                        .sorted()
                        .toArray();
        int tokens = streams.stream().mapToInt(s -> s.at.size()).sum();
        return new Row(
                what,
                clients,
                tokens / seconds,
                quantile(first, 0.5),
                quantile(first, 0.99),
                quantile(each, 0.5),
                quantile(each, 0.99));
    }

    private static double quantile(double[] sorted, double part) {
        return sorted.length == 0
                ? Double.NaN
                : sorted[(int) Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
    }

    private static void print(Row row) {
        System.out.printf(
                Locale.ROOT,
                "%-26s %7d %10.1f %7.0fms %7.0fms %7.1fms %7.1fms%n",
                row.what,
                row.clients,
                row.tokensPerSecond,
                1e3 * row.first,
                1e3 * row.first99,
                1e3 * row.each,
                1e3 * row.each99);
    }

    @Override
    public void close() {
        http.close();
    }
}
