package org.ringworld.checkpoints.hub;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** A hub with one repository, and a second host that has its large files. */
final class LocalHub implements AutoCloseable {
    static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";
    static final int LARGE = 4096;

    private final HttpServer endpoint = server();
    private final HttpServer storage = server();
    private final String repository;

    /** What it holds, by name. */
    final Map<String, byte[]> files = new TreeMap<>();

    /** What is said of each file that is not as it is. */
    final Map<String, ObjectNode> lies = new HashMap<>();

    /** The next answers for files that are not as they should be; null: as it should. */
    final Queue<Answer> faults = new ConcurrentLinkedQueue<>();

    /** Requests that came: the host, the path and the range. */
    final List<String> requests = new CopyOnWriteArrayList<>();

    /** Headers {@code Authorization} that came, by host. */
    final List<String> tokens = new CopyOnWriteArrayList<>();

    @FunctionalInterface
    interface Answer {
        void give(HttpExchange exchange) throws IOException;
    }

    /**
     * @param repository as in the hub's addresses: {@code o/n} or {@code datasets/o/n}
     */
    LocalHub(String repository) throws IOException {
        this.repository = repository;
        String api = repository.startsWith("datasets/") ? repository : "models/" + repository;
        endpoint.createContext("/", exchange -> fail(exchange, 404, "RepoNotFound"));
        endpoint.createContext("/api/" + api + "/revision/", this::list);
        endpoint.createContext("/" + repository + "/resolve/" + COMMIT + "/", this::resolve);
        storage.createContext("/", exchange -> record("storage", exchange, () -> file(exchange)));
    }

    private static HttpServer server() throws IOException {
        HttpServer server =
                HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        server.start();
        return server;
    }

    private static String url(HttpServer server) {
        return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    /** Variables of a process that uses it. */
    Map<String, String> environment(Path cache, String... more) {
        Map<String, String> environment = new HashMap<>();
        environment.put("HF_ENDPOINT", url(endpoint));
        environment.put("HF_HOME", cache.toString());
        for (int i = 0; i < more.length; i += 2) {
            environment.put(more[i], more[i + 1]);
        }
        return environment;
    }

    /** How often a file's bytes were asked for. */
    long asked(String file) {
        return requests.stream()
                .filter(r -> r.contains("/" + file) && !r.startsWith("redirected"))
                .count();
    }

    private interface Step {
        void run() throws IOException;
    }

    private void record(String host, HttpExchange exchange, Step step) throws IOException {
        Headers headers = exchange.getRequestHeaders();
        String range = headers.getFirst("Range");
        requests.add(host + " " + exchange.getRequestURI() + (range == null ? "" : " " + range));
        if (headers.containsKey("Authorization")) {
            tokens.add(host + " " + headers.getFirst("Authorization"));
        }
        step.run();
    }

    private void list(HttpExchange exchange) throws IOException {
        record("endpoint", exchange, () -> {});
        if (!exchange.getRequestURI().getPath().matches(".*/(main|v1|" + COMMIT + ")")) {
            fail(exchange, 404, "RevisionNotFound");
            return;
        }
        ObjectNode json = JsonMapper.shared().createObjectNode().put("sha", COMMIT);
        for (Map.Entry<String, byte[]> file : files.entrySet()) {
            ObjectNode one = json.withArray("siblings").addObject();
            one.put("rfilename", file.getKey()).put("size", file.getValue().length);
            one.put("blobId", hash("SHA-1", blob(file.getValue())));
            if (file.getValue().length >= LARGE) {
                one.putObject("lfs").put("sha256", hash("SHA-256", file.getValue()));
            }
            if (lies.containsKey(file.getKey())) {
                one.setAll(lies.get(file.getKey()));
            }
        }
        send(exchange, 200, json.toString().getBytes(StandardCharsets.UTF_8));
    }

    private static byte[] blob(byte[] content) {
        byte[] head = "blob %d\0".formatted(content.length).getBytes(StandardCharsets.US_ASCII);
        byte[] blob = Arrays.copyOf(head, head.length + content.length);
        System.arraycopy(content, 0, blob, head.length, content.length);
        return blob;
    }

    static String hash(String algorithm, byte[] content) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance(algorithm).digest(content));
        } catch (java.security.NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private void resolve(HttpExchange exchange) throws IOException {
        byte[] content = files.get(name(exchange));
        if (content != null && content.length >= LARGE) {
            record("redirected", exchange, () -> {});
            exchange.getResponseHeaders()
                    .add("Location", url(storage) + exchange.getRequestURI().getRawPath());
            exchange.sendResponseHeaders(302, -1);
            exchange.close();
        } else {
            record("endpoint", exchange, () -> file(exchange));
        }
    }

    private static String name(HttpExchange exchange) {
        return exchange.getRequestURI().getPath().replaceFirst(".*/resolve/[^/]+/", "");
    }

    private void file(HttpExchange exchange) throws IOException {
        Answer fault = faults.poll();
        if (fault != null) {
            fault.give(exchange);
            return;
        }
        whole(exchange, true);
    }

    /** The content of a file, from where it is wanted. */
    private void whole(HttpExchange exchange, boolean knowsRanges) throws IOException {
        part(exchange, knowsRanges, Integer.MAX_VALUE);
        exchange.close();
    }

    /** As one that knows no ranges. */
    Answer allAnew() {
        return exchange -> whole(exchange, false);
    }

    /**
     * So much of what is wanted, and then the connection breaks off, as soon as all of it is in the
     * file where it is received: Java's client throws away what it has not handed on by then.
     */
    Answer cutAfter(int bytes, Path received) {
        return exchange -> {
            long there = Files.exists(received) ? Files.size(received) : 0;
            part(exchange, true, bytes);
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
            while (bytes > 0 && Files.size(received) < there + bytes && System.nanoTime() < end) {
                LockSupport.parkNanos(1_000_000);
            }
            exchange.close();
        };
    }

    private void part(HttpExchange exchange, boolean knowsRanges, int most) throws IOException {
        byte[] content = files.get(name(exchange));
        String range = exchange.getRequestHeaders().getFirst("Range");
        int from =
                range == null || !knowsRanges ? 0 : Integer.parseInt(range.replaceAll("\\D", ""));
        if (from > 0) {
            String said = "bytes %d-%d/%d".formatted(from, content.length - 1, content.length);
            exchange.getResponseHeaders().add("Content-Range", said);
        }
        exchange.sendResponseHeaders(from > 0 ? 206 : 200, content.length - from);
        exchange.getResponseBody().write(content, from, Math.min(most, content.length - from));
        exchange.getResponseBody().flush();
    }

    static void send(HttpExchange exchange, int status, byte[] body) throws IOException {
        exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    static void fail(HttpExchange exchange, int status, String code) throws IOException {
        exchange.getResponseHeaders().add("X-Error-Code", code);
        send(exchange, status, "no".getBytes(StandardCharsets.US_ASCII));
    }

    /** Answers whatever is asked for about the repository. */
    void refuse(int status, String code) {
        String api = repository.startsWith("datasets/") ? repository : "models/" + repository;
        endpoint.removeContext("/api/" + api + "/revision/");
        endpoint.createContext(
                "/api/" + api + "/revision/", exchange -> fail(exchange, status, code));
    }

    @Override
    public void close() {
        endpoint.stop(0);
        storage.stop(0);
    }
}
