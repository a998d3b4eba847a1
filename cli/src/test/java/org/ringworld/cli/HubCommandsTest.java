package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.typesafe.config.Config;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.checkpoints.hub.Hub;
import org.ringworld.cli.train.TrainCommand;
import org.ringworld.model.training.job.HubNames;
import org.ringworld.model.training.job.JobFile;
import org.ringworld.model.training.job.UsageException;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Names of a hub in commands and jobs; the hub is a server here, of one commit. */
class HubCommandsTest {
    private static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

    @TempDir private Path home;
    private HttpServer server;
    private final Map<String, byte[]> files = new TreeMap<>();

    @BeforeEach
    void open() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", this::answer);
        server.start();
    }

    @AfterEach
    void close() {
        server.stop(0);
    }

    /** A listing, or a file of it. */
    private void answer(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getPath();
        byte[] body = files.get(path.replaceFirst("/resolve/" + COMMIT, ""));
        if (path.startsWith("/api/")) {
            String repository = path.replaceFirst("/api(/models)?(/.+)/revision/main", "$2") + "/";
            ObjectNode json = JsonMapper.shared().createObjectNode().put("sha", COMMIT);
            for (String name : files.keySet()) {
                if (name.startsWith(repository)) {
                    json.withArray("siblings")
                            .addObject()
                            .put("rfilename", name.substring(repository.length()))
                            .put("size", files.get(name).length)
                            .put("blobId", hash(files.get(name)));
                }
            }
            body = json.has("siblings") ? json.toString().getBytes(StandardCharsets.UTF_8) : null;
        }
        exchange.sendResponseHeaders(body == null ? 404 : 200, body == null ? -1 : body.length);
        if (body != null) {
            exchange.getResponseBody().write(body);
        }
        exchange.close();
    }

    private static String hash(byte[] content) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-1");
            digest.update("blob %d\0".formatted(content.length).getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest.digest(content));
        } catch (java.security.NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private Map<String, String> environment() {
        return Map.of(
                "HF_ENDPOINT",
                "http://127.0.0.1:" + server.getAddress().getPort(),
                "HF_HOME",
                home.resolve("hf").toString());
    }

    private Config job(String... overrides) {
        List<String> all = new ArrayList<>(CommandLineTest.TINY.subList(0, 3));
        all.addAll(List.of(overrides));
        return JobFile.resolve(
                TrainCommand.defaultJob(),
                all,
                new HubNames(new Hub(environment(), Hub.Progress.NONE)));
    }

    private CommandLineTest.Outcome run(Object... words) throws Exception {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "--add-modules=jdk.incubator.vector",
                                "--enable-native-access=ALL-UNNAMED",
                                "-cp",
                                System.getProperty("java.class.path"),
                                Ringworld.class.getName()));
        for (Object word : words) {
            command.add(word.toString());
        }
        Path err = home.resolve("err");
        ProcessBuilder process = new ProcessBuilder(command).redirectError(err.toFile());
        process.environment().putAll(environment());
        Process running = process.start();
        String out = new String(running.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new CommandLineTest.Outcome(running.waitFor(), out, Files.readString(err));
    }

    @Test
    void aJobNamesModelTokenizerAndData() throws Exception {
        files.put("/o/m/model.safetensors", new byte[9]);
        files.put("/o/m/tokenizer.model", Files.readAllBytes(TinyModel.tokenizer()));
        byte[] text = "{\"text\": \"hello\"}\n".getBytes(StandardCharsets.UTF_8);
        files.put("/datasets/o/d/a/train.jsonl", text);
        files.put("/datasets/o/d/b/test.jsonl", text);
        Config job =
                job(
                        "model.path=hf:o/m",
                        "tokenizer=hf:o/m/tokenizer.model",
                        "data.sources=[{path=\"hf:o/d/a\",chatTemplate=\"hf:o/m\"}]",
                        "evaluate.path=hf:datasets/o/d/b/*",
                        "stages=[{seqLen=16,steps=1,data.path=\"hf:datasets/o/d\"}]");
        String models = home.resolve("hf/hub/models--o--m/snapshots/" + COMMIT).toString();
        String data = home.resolve("hf/hub/datasets--o--d/snapshots/" + COMMIT).toString();
        assertThat(job.getString("model.path")).isEqualTo(models);
        assertThat(job.getString("tokenizer")).isEqualTo(models + "/tokenizer.model");
        Config source = job.getConfigList("data.sources").getFirst();
        assertThat(source.getString("path")).isEqualTo(data + "/a");
        assertThat(source.getString("chatTemplate")).isEqualTo(models);
        assertThat(job.getString("evaluate.path")).isEqualTo(data + "/b/*");
        assertThat(job.getConfigList("stages").getFirst().getString("data.path")).isEqualTo(data);
    }

    @Test
    void aJobThatNamesNothingSaysWhy() {
        assertThatThrownBy(() -> job("data.path=hf:o/none"))
                .hasMessageContaining("hf:datasets/o/none: there is no such data set at http");
        assertThatThrownBy(() -> job("model.path=hf:none"))
                .isInstanceOf(UsageException.class)
                .hasMessageContaining("hf:none: is no name of the hub's");
    }

    @Test
    void aCommandFetchesAndSaysSo() throws Exception {
        byte[] text = "{\"text\": \"hello\"}\n".repeat(9).getBytes(StandardCharsets.UTF_8);
        files.put("/datasets/o/d/a.jsonl", text);
        files.put("/o/m/tokenizer.model", Files.readAllBytes(TinyModel.tokenizer()));
        Path cache = home.resolve("a.tokens");
        CommandLineTest.Outcome done =
                run("tokenize", "hf:o/d", "--tokenizer", "hf:o/m", "--out", cache);
        assertThat(done.code()).as(done.err()).isZero();
        assertThat(done.out()).contains("9 documents");
        assertThat(done.err()).contains("fetched hf:datasets/o/d at 0123456: 0.0 MB in 0:00");
        CommandLineTest.Outcome none = CommandLineTest.run("inspect", "hf:none");
        assertThat(none.code()).isEqualTo(Ringworld.USAGE);
        assertThat(none.err()).contains("ringworld: hf:none: is no name of the hub's");
    }
}
