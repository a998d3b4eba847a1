package org.ringworld.actors.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.ringworld.actors.http.TinyFront.fault;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

@Timeout(120)
class BadClientsTest {
    private static final String COMPLETIONS = "/v1/completions";

    @TempDir private static Path directory;
    private static TinyFront tiny;

    @BeforeAll
    static void open() throws Exception {
        tiny = new TinyFront(directory);
    }

    @AfterAll
    static void close() {
        tiny.close();
    }

    private static String read(Socket socket) throws IOException {
        socket.setSoTimeout(20_000);
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        try {
            socket.getInputStream().transferTo(all);
        } catch (IOException e) {
            // A reset after the answer is the end, too.
        }
        return all.toString(UTF_8);
    }

    private static Socket connect() throws IOException {
        return new Socket("127.0.0.1", tiny.front.address().getPort());
    }

    private static String post(String body) {
        return "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
                .formatted(body.getBytes(UTF_8).length, body);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\0\1\2\3\4\5\6\7\0\1\2\3\4\5\6\7\0\1\2\3\r\n\r\n",
                "GET /health HTTP/9.9\r\n\r\n",
                "GET /health HTTP/1.1\r\n\r\n",
                "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                "POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
            })
    void whatIsNotHttpIsAnsweredInTheSameShape(String bytes) throws Exception {
        try (Socket socket = connect()) {
            socket.getOutputStream().write(bytes.getBytes(ISO_8859_1));
            String answer = read(socket);
            assertThat(answer).startsWith("HTTP/1.1 ").doesNotStartWith("HTTP/1.1 200");
            fault(answer.substring(answer.indexOf("\r\n\r\n") + 4));
        }
    }

    @Test
    void bodiesOverTheLimitAreRefusedBeforeTheyHaveCome() throws Exception {
        for (String head : List.of("Content-Length: 1073741824", "Transfer-Encoding: chunked")) {
            try (Socket socket = connect()) {
                OutputStream out = socket.getOutputStream();
                out.write(
                        "POST /v1/completions HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n"
                                .formatted(head)
                                .getBytes(UTF_8));
                byte[] chunk = ("10000\r\n" + "x".repeat(1 << 16) + "\r\n").getBytes(UTF_8);
                int sent = 0;
                try {
                    while (sent < 1 << 30) {
                        out.write(chunk);
                        sent += chunk.length;
                    }
                } catch (IOException e) {
                    // It has heard enough.
                }
                assertThat(sent).isLessThan(1 << 26);
                assertThat(read(socket)).startsWith("HTTP/1.1 413");
            }
        }
        fault(tiny.post(COMPLETIONS, " ".repeat((1 << 20) + 1)), 413);
    }

    @Test
    void requestsInOneGoAreAnsweredInTheirOrder() throws Exception {
        try (Socket socket = connect()) {
            StringBuilder all = new StringBuilder();
            for (int i = 0; i < 6; i++) {
                all.append(
                        post(
                                "{\"prompt\": \"a\", \"max_tokens\": %d, \"temperature\": 0}"
                                        .formatted(i)));
                all.append(
                        "GET /health HTTP/1.1\r\nHost: x\r\n%s\r\n"
                                .formatted(i < 5 ? "" : "Connection: close\r\n"));
            }
            socket.getOutputStream().write(all.toString().getBytes(UTF_8));
            String answers = read(socket);
            assertThat(answers.split("HTTP/1.1 200", -1)).hasSize(13);
            int at = 0;
            for (int i = 0; i < 6; i++) {
                at = answers.indexOf("\"completion_tokens\":" + i, at);
                assertThat(at).isPositive();
            }
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aClientThatGoesAwayFreesItsPages(boolean stream) throws Exception {
        tiny.awaitIdle();
        List<Socket> sockets = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            Socket socket = connect();
            socket.getOutputStream()
                    .write(
                            post("{\"prompt\": [7], \"max_tokens\": 1000, \"temperature\": 0, \"n\": 3, \"stream\": %s}"
                                            .formatted(stream))
                                    .getBytes(UTF_8));
            sockets.add(socket);
        }
        while (tiny.engine.load().ranks().getFirst().used() == 0) {
            Thread.sleep(1);
        }
        long written = tiny.engine.load().written();
        for (Socket socket : sockets) {
            socket.close();
        }
        tiny.awaitIdle();
        // Without that, all would have been written.
        assertThat(tiny.engine.load().written() - written).isLessThan(10_000);
    }

    @Test
    void thereAreNoMoreConnectionsThanAllowedAndNobodyIsHurt() throws Exception {
        List<Socket> idle = new ArrayList<>();
        try {
            for (int i = 0; i < 300; i++) {
                idle.add(connect());
            }
            try (Socket late = connect()) {
                late.getOutputStream()
                        .write(
                                "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                                        .getBytes(UTF_8));
                assertThat(read(late)).startsWith("HTTP/1.1 200");
            }
            assertThat(idle.getFirst().getInputStream().read()).isNegative();
        } finally {
            for (Socket socket : idle) {
                socket.close();
            }
        }
    }

    // ---- limits and keys

    @Test
    void whoComesWhenTooManyAreThereIsToldToComeAgain() throws Exception {
        HttpSettings few = new HttpSettings("127.0.0.1", 0, null, 3, 1 << 20, 60, 100);
        try (TinyFront front = new TinyFront(directory, few)) {
            CompletableFuture<HttpResponse<InputStream>> going =
                    front.client.sendAsync(
                            front.request(COMPLETIONS)
                                    .POST(
                                            HttpRequest.BodyPublishers.ofString(
                                                    "{\"prompt\": [7], \"max_tokens\": 1000, \"temperature\": 0, \"n\": 2, \"stream\": true}"))
                                    .build(),
                            HttpResponse.BodyHandlers.ofInputStream());
            try (InputStream stream = going.get().body()) {
                assertThat(stream.read()).isEqualTo('d');
                HttpResponse<String> refused =
                        front.post(COMPLETIONS, "{\"prompt\": \"a\", \"n\": 2}");
                fault(refused, 429);
                assertThat(refused.headers().firstValue("Retry-After")).isPresent();
                assertThat(front.post(COMPLETIONS, "{\"prompt\": \"a\"}").statusCode())
                        .isEqualTo(200);
            }
            front.awaitIdle();
            fault(front.post(COMPLETIONS, "{\"prompt\": \"a\", \"n\": 4}"), 400);
        }
    }

    @Test
    void whoAsksAnEngineThatIsClosedIsToldSo() throws Exception {
        try (TinyFront front = new TinyFront(directory)) {
            front.engine.close();
            JsonNode fault = fault(front.post(COMPLETIONS, "{\"prompt\": \"a\"}"), 503);
            assertThat(fault.path("message").asString()).isEqualTo("the engine was closed");
            String stream = front.post(COMPLETIONS, "{\"prompt\": \"a\", \"stream\": true}").body();
            fault(stream.substring("data: ".length()));
        }
    }

    @Test
    void aRequestThatTakesTooLongIsEnded() throws Exception {
        HttpSettings quick = new HttpSettings("127.0.0.1", 0, null, 64, 1 << 20, 1, 100);
        try (TinyFront front = new TinyFront(directory, quick)) {
            String body =
                    "{\"prompt\": [7], \"max_tokens\": 1000, \"temperature\": 0, \"n\": 60, \"stream\": %s}";
            HttpResponse<String> whole = front.post(COMPLETIONS, body.formatted(false));
            assertThat(fault(whole, 504).path("code").asString()).isEqualTo("timeout");
            front.awaitIdle();
            String stream = front.post(COMPLETIONS, body.formatted(true)).body();
            String last =
                    stream.lines().filter(line -> line.startsWith("data: ")).toList().getLast();
            assertThat(fault(last.substring("data: ".length())).path("code").asString())
                    .isEqualTo("timeout");
            front.awaitIdle();
        }
    }

    @Test
    void whoHasNoKeyIsToldSoButForHealth() throws Exception {
        HttpSettings locked = new HttpSettings("127.0.0.1", 0, "secret", 3, 1 << 20, 60, 100);
        assertThat(locked.toString()).doesNotContain("secret");
        try (TinyFront front = new TinyFront(directory, locked)) {
            for (String path :
                    List.of("/v1/models", "/metrics", "/ring", "/nothing", COMPLETIONS)) {
                for (String key :
                        List.of("", "Bearer", "Bearer secre", "Bearer secrets", "Basic secret")) {
                    HttpRequest.Builder request = front.request(path);
                    if (!key.isEmpty()) {
                        request.header("Authorization", key);
                    }
                    HttpResponse<String> response =
                            front.client.send(
                                    request.build(), HttpResponse.BodyHandlers.ofString());
                    assertThat(fault(response, 401).path("code").asString())
                            .isEqualTo("invalid_api_key");
                }
            }
            HttpRequest right =
                    front.request("/v1/models").header("Authorization", "Bearer secret").build();
            assertThat(front.client.send(right, HttpResponse.BodyHandlers.ofString()).statusCode())
                    .isEqualTo(200);
            assertThat(front.get("/health").statusCode()).isEqualTo(200);
            assertThat(front.get("/").statusCode()).isEqualTo(200);
        }
    }
}
