package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNoException;

import com.sun.net.httpserver.HttpServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.cli.train.TrainCommand;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobData;
import org.ringworld.model.training.job.JobFile;
import org.ringworld.model.training.job.JobReader;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.packing.Row;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class MakeQaCommandTest {
    private static final JsonMapper JSON = JsonMapper.shared();

    @TempDir private Path directory;
    private HttpServer server;
    private Path documents;
    private String book;
    private final List<JsonNode> requests = new ArrayList<>();
    private final List<String> upgrades = new ArrayList<>();

    /** What the server says to its n-th request, from 0; null: 400, empty: 503. */
    private IntFunction<String> says =
            n -> "Question: What of %s?\nAnswer: yes.\nQuestion: More?".formatted(passage(n));

    @BeforeEach
    void serve() throws Exception {
        book =
                IntStream.range(0, 70)
                        .mapToObj(i -> "sentence %d é🌷. ".formatted(i))
                        .collect(Collectors.joining());
        documents = directory.resolve("documents.jsonl");
        String line = JSON.writeValueAsString(JSON.createObjectNode().put("text", book));
        Files.writeString(documents, line + "\n{\"text\": \"short one\"}\n{\"no\": 1}\n");
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext(
                "/v1/chat/completions",
                exchange -> {
                    upgrades.addAll(
                            exchange.getRequestHeaders().getOrDefault("Upgrade", List.of()));
                    requests.add(JSON.readTree(exchange.getRequestBody().readAllBytes()));
                    String said = says.apply(requests.size() - 1);
                    String body =
                            said == null
                                    ? "that is not for you"
                                    : "{\"choices\":[{\"message\":{\"content\":%s}}]}"
                                            .formatted(JSON.writeValueAsString(said));
                    byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
                    int status = said == null ? 400 : said.isEmpty() ? 503 : 200;
                    exchange.sendResponseHeaders(status, bytes.length);
                    exchange.getResponseBody().write(bytes);
                    exchange.close();
                });
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    private String passage(int request) {
        String prompt = requests.get(request).at("/messages/0/content").asString("");
        return prompt.substring(prompt.indexOf("Passage:\n") + 9);
    }

    private CommandLineTest.Outcome make(Path out, String... more) {
        return CommandLineTest.run(
                "make-qa",
                documents,
                "--out",
                out,
                "--endpoint",
                "http://127.0.0.1:" + server.getAddress().getPort() + "/v1/",
                "--tokenizer",
                "bytes",
                "--chunk-tokens",
                "100",
                "--chunks",
                "4",
                List.of(more));
    }

    private static List<JsonNode> lines(Path file) throws Exception {
        return Files.readAllLines(file).stream().map(JSON::readTree).toList();
    }

    @Test
    void adjacentChunksComeTogetherWithTheirPairsAtTheEnd() throws Exception {
        Path out = directory.resolve("qa.jsonl");
        CommandLineTest.Outcome outcome = make(out, "--endpoint-model", "m");
        assertThat(outcome.code()).as(outcome.err()).isZero();
        assertThat(outcome.out()).contains("0 chunks skipped", "data.fieldsFromExample=fields");
        assertThat(requests).allMatch(r -> r.path("model").asString("").equals("m"));
        String all =
                IntStream.range(0, requests.size())
                        .mapToObj(this::passage)
                        .collect(Collectors.joining());
        assertThat(all).isEqualTo(book + "short one");
        List<JsonNode> lines = lines(out);
        StringBuilder texts = new StringBuilder();
        for (JsonNode line : lines) {
            String text = line.path("text").asString("");
            assertThat(text).startsWith("You are a helpful assistant. USER: ");
            texts.append(text.substring(35));
            assertThat(line.path("fields").asString("")).startsWith("[text],[question0],answer0");
            assertThat(line.path("question0").asString("")).endsWith("? ASSISTANT:");
            assertThat(line.path("answer0").asString("")).isEqualTo("yes.");
        }
        assertThat(texts).hasToString(book + "short one");
        assertThat(lines.getFirst().path("fields").asString(""))
                .isEqualTo(
                        "[text],[question0],answer0,<|eos|>,[question1],answer1,<|eos|>,[question2],answer2,<|eos|>,[question3],answer3");
    }

    @Test
    void noUpgradeToAnotherProtocolIsAskedFor() throws Exception {
        assertThat(make(directory.resolve("qa.jsonl")).code()).isZero();
        assertThat(upgrades).isEmpty();
    }

    @Test
    void whatIsSkippedIsToldWithItsReason() throws Exception {
        says = n -> n == 0 ? "Question: <think>?</think>**Question:** Q?\n**Answer:** a" : "Sorry.";
        CommandLineTest.Outcome outcome = make(directory.resolve("qa.jsonl"));
        assertThat(outcome.code()).isZero();
        assertThat(outcome.err())
                .contains("skipped a chunk of", "3 times: it has no line \"Question: …\"");
    }

    @Test
    void itsLinesAreTrainedOnByTheirAnswersAlone() throws Exception {
        Path out = directory.resolve("qa.jsonl");
        assertThat(make(out).code()).isZero();
        List<String> keys = new ArrayList<>(CommandLineTest.TINY.subList(0, 3));
        keys.add(
                "data={path=\"%s\",fieldsFromExample=fields,heldOut=0,packing=pad}".formatted(out));
        keys.add("stages=[{seqLen=4096,steps=1}]");
        Job job = JobReader.read(JobFile.resolve(TrainCommand.defaultJob(), keys), 2);
        int count = lines(out).size();
        double weight = 0;
        for (Row row : JobData.open(job, new ByteTokenizer()).stream(0).rows(0, 4096, count)) {
            weight += IntStream.range(0, row.length()).mapToDouble(i -> row.weights()[i]).sum();
        }
        // The four letters of each answer and its end.
        assertThat(weight).isEqualTo(5 * requests.size());
    }

    @Test
    void aKillLosesNothingThatWasAnswered() throws Exception {
        Path whole = directory.resolve("whole.jsonl");
        assertThat(make(whole).code()).isZero();
        int all = requests.size();
        requests.clear();
        IntFunction<String> good = says;
        says = n -> n < 7 ? good.apply(n) : null;
        Path out = directory.resolve("qa.jsonl");
        CommandLineTest.Outcome broken = make(out);
        assertThat(broken.code()).isEqualTo(Ringworld.FAILED);
        assertThat(broken.err())
                .contains("answers 400: that is not for you")
                .doesNotContain("\tat ");
        for (Path file : List.of(out, Path.of(out + ".pairs"))) {
            Files.writeString(file, "{\"question\": \"ha", StandardOpenOption.APPEND);
        }
        requests.clear();
        says = good;
        assertThat(make(out).code()).isZero();
        assertThat(requests).hasSize(all - 7);
        assertThat(Files.mismatch(out, whole)).isEqualTo(-1);
        requests.clear();
        assertThat(make(out).code()).isZero();
        assertThat(requests).isEmpty();
        assertThat(Files.mismatch(out, whole)).isEqualTo(-1);
        CommandLineTest.Outcome other = make(out, "--seed", "2", "--chunks", "5");
        assertThat(other.code()).isEqualTo(Ringworld.USAGE);
    }

    @Test
    void twoProcessesNeverWriteOneOutput() throws Exception {
        Path out = directory.resolve("qa.jsonl");
        Fence first = Fence.claimFile(out);
        CommandLineTest.Outcome second = make(out);
        assertThat(second.code()).isEqualTo(Ringworld.FAILED);
        assertThat(second.err().strip())
                .startsWith("ringworld: " + out + " is in use by process")
                .hasLineCount(1);
        assertThat(out).doesNotExist();
        assertThat(requests).isEmpty();
        first.release();

        // Its successor begins while it waits for the fourth answer.
        Path successor = directory.resolve(".qa.jsonl.owner-3");
        IntFunction<String> good = says;
        says =
                n -> {
                    if (n == 3) {
                        assertThatNoException().isThrownBy(() -> Files.createFile(successor));
                    }
                    return good.apply(n);
                };
        CommandLineTest.Outcome succeeded = make(out);
        assertThat(succeeded.code()).isEqualTo(Ringworld.FAILED);
        assertThat(succeeded.err()).contains("another process has taken it over");
        assertThat(lines(Path.of(out + ".pairs"))).hasSize(1 + 3);
    }

    @Test
    void aBadAnswerIsAskedForAgainThenSkippedAndCounted() throws Exception {
        String[] first = {"no idea", "Question: none\nAnswer: x", "Question: why?\nAnswer:  "};
        IntFunction<String> good = says;
        says = n -> n < 3 ? first[n] : n == 3 ? "" : good.apply(n);
        Path out = directory.resolve("qa.jsonl");
        CommandLineTest.Outcome outcome = make(out);
        assertThat(outcome.code()).as(outcome.err()).isZero();
        assertThat(outcome.out()).contains("1 chunks skipped");
        assertThat(Arrays.asList(lines(out).getFirst().path("fields").asString("").split("eos")))
                .hasSize(3);
        assertThat(passage(3)).isEqualTo(passage(4)).isNotEqualTo(passage(2));
    }

    @Test
    void aModelOfOursIsAskedByItsChatTemplate() throws Exception {
        Path tiny =
                Path.of(getClass().getResource("/reports/tokenizer/tiny/tokenizer.model").toURI());
        Path model = TinyModel.write(directory, tiny);
        Path out = directory.resolve("qa.jsonl");
        Object[] words = {
            "make-qa", documents, "--out", out, "--model", model, "--chunk-tokens", 700
        };
        CommandLineTest.Outcome refused = CommandLineTest.run(words);
        assertThat(refused.code()).isEqualTo(Ringworld.USAGE);
        assertThat(refused.err()).contains("more than the context of 16", "--beyond");
        CommandLineTest.Outcome outcome = CommandLineTest.run(List.of(words), "--beyond");
        // It says hello world, whatever it is asked.
        assertThat(outcome.code()).isEqualTo(Ringworld.FAILED);
        assertThat(outcome.out()).contains("0 pairs, ", " chunks skipped");
        assertThat(outcome.err()).doesNotContain("\tat ");
    }

    @Test
    void documentsLeaveThisMachineOnlyEncrypted() {
        CommandLineTest.Outcome outcome =
                CommandLineTest.run(
                        "make-qa",
                        documents,
                        "--out",
                        directory.resolve("x"),
                        "--endpoint",
                        "http://192.0.2.1/v1");
        assertThat(outcome.code()).isEqualTo(Ringworld.USAGE);
        assertThat(outcome.err()).contains("is not encrypted");
        assertThat(directory.resolve("x")).doesNotExist();
    }
}
