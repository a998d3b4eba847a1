package org.ringworld.cli.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.data.Offset.offset;

import com.sun.net.httpserver.HttpServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.cli.CommandLineTest;
import org.ringworld.cli.CommandLineTest.Outcome;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Suites, choices and questions, asked of a model that has learned nearly nothing. */
class EvalModesTest {
    private static final JsonMapper JSON = JsonMapper.shared();

    @TempDir private static Path home;
    private static Path model;

    @TempDir private Path directory;

    @BeforeAll
    static void train() throws Exception {
        model = home.resolve("run");
        Path text = Files.writeString(home.resolve("t.txt"), "hello world ".repeat(40));
        Outcome trained =
                CommandLineTest.run(
                        "train",
                        "model.hiddenSize=16",
                        "model.headDim=8",
                        "model.intermediateSize=24",
                        "data.path=" + text,
                        "data.heldOut=0",
                        "stages=[{seqLen=16,steps=2,tokensPerStep=64}]",
                        "output=" + model);
        assertThat(trained.code()).as(trained.err()).isZero();
    }

    private Outcome suite(Path json, String... more) {
        return CommandLineTest.run(
                "eval",
                model,
                "--suite",
                "babilong",
                "--tasks",
                "qa1",
                "--lengths",
                "1000",
                "--json",
                json,
                List.of(more));
    }

    /** A chat is no text by itself: its bytes are those of what is learnt of it. */
    @Test
    void bitsOfAChatAreThoseOfItsAnswers() throws Exception {
        String chat =
                """
                {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes"}]}
                """;
        Path chats = Files.writeString(directory.resolve("chats.jsonl"), chat.repeat(3));
        Outcome outcome = CommandLineTest.run("eval", model, "--text", chats, "--lengths", "128");
        assertThat(outcome.code()).as(outcome.err()).isZero();
        String[] line = outcome.out().strip().lines().toList().getLast().strip().split(" +");
        // "Yes" and a space of LWM's template; the token that ends them has no byte of its own.
        double nats = Double.parseDouble(line[2]);
        assertThat(Double.parseDouble(line[3])).isCloseTo(nats / Math.log(2) * 5 / 4, offset(0.01));
    }

    @Test
    void aSuiteGoesOnWhereItWasCutOff() throws Exception {
        Path json = directory.resolve("results.json");
        Path kept = directory.resolve("results.json.answers");
        Outcome whole = suite(json, "--documents", "6");
        assertThat(whole.code()).as(whole.err()).isZero();
        assertThat(whole.out()).contains("qa1", "mean");
        assertThat(directory.resolve("results.png")).isNotEmptyFile();
        assertThat(kept).doesNotExist();
        ObjectNode results = (ObjectNode) JSON.readTree(json.toFile());
        JsonNode answers = results.get("answers");
        assertThat(answers).hasSize(6);
        for (JsonNode answer : answers) {
            assertThat(answer.get("promptTokens").asInt()).isBetween(950, 980);
        }

        // What is kept of it says what was asked, and two answers, the second written by nobody.
        ObjectNode second = (ObjectNode) answers.get(1).deepCopy();
        second.put("written", "kept").put("score", 1.0);
        ObjectNode asked = results.deepCopy();
        asked.remove(List.of("results", "means", "answers"));
        Files.writeString(kept, "%s%n%s%n%s%n{\"half".formatted(asked, answers.get(0), second));
        Outcome other = suite(json, "--documents", "7");
        assertThat(other.code()).isEqualTo(2);
        assertThat(other.err()).contains("has answers to something else");
        Outcome rest = suite(json, "--documents", "6");
        assertThat(rest.err()).contains("evaluating 4 questions");
        JsonNode then = JSON.readTree(json.toFile()).get("answers");
        assertThat(then.get(1)).isEqualTo(JSON.readTree(second.toString()));
        for (int i : new int[] {0, 2, 3, 4, 5}) {
            assertThat(then.get(i)).isEqualTo(answers.get(i));
        }
        assertThat(kept).doesNotExist();
    }

    @Test
    void aChoiceIsAsLikelyAsItsTextIsAfterItsQuestion() throws Exception {
        Path file = directory.resolve("c.jsonl");
        Files.writeString(
                file,
                """
                {"question": "What is wet?", "choices": {"text": ["sand", "cold water"], "label": ["1", "2"]}, "answerKey": "2"}
                {"query": "The sky is", "choices": ["blue", "blue and green"], "gold": "blue"}
                """);
        Path json = directory.resolve("c.json");
        Outcome outcome = CommandLineTest.run("eval", model, "--choices", file, "--json", json);
        assertThat(outcome.code()).as(outcome.err()).isZero();
        assertThat(outcome.out()).contains("2 questions, chance 0.5000", "acc_norm");
        JsonNode results = JSON.readTree(json.toFile());
        int right = 0;
        for (JsonNode answer : results.get("answers")) {
            right += answer.get("right").equals(answer.get("chosen")) ? 1 : 0;
        }
        assertThat(results.get("acc").asDouble()).isEqualTo(right / 2.0);
        double asked = logprob("Question: What is wet?\nAnswer:");
        JsonNode logprobs = results.at("/answers/0/logprobs");
        assertThat(logprob("Question: What is wet?\nAnswer: sand") - asked)
                .isCloseTo(logprobs.get(0).asDouble(), offset(1e-3));
        assertThat(logprob("Question: What is wet?\nAnswer: cold water") - asked)
                .isCloseTo(logprobs.get(1).asDouble(), offset(1e-3));
        // The longer choice has less of what the shorter one begins with, and no more by bytes.
        JsonNode sky = results.at("/answers/1/logprobs");
        assertThat(sky.get(1).asDouble()).isLessThan(sky.get(0).asDouble());
        assertThat(results.at("/answers/1/chosen").asInt()).isZero();
    }

    /** ln p of a text by the command that tells it. */
    private double logprob(String text) throws Exception {
        Path file = Files.writeString(directory.resolve("score.txt"), text);
        Outcome outcome =
                CommandLineTest.run("score", model, "--text-file", file, "--json", "--beyond");
        assertThat(outcome.code()).as(outcome.err()).isZero();
        JsonNode score = JSON.readTree(outcome.out());
        return -score.get("nll").asDouble() * score.get("tokens").asInt();
    }

    @Test
    void aJudgeIsAskedAboutEachAnswerAndToldInTheResults() throws Exception {
        List<String> asked = new ArrayList<>();
        HttpServer server =
                HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext(
                "/v1/chat/completions",
                exchange -> {
                    JsonNode body = JSON.readTree(exchange.getRequestBody().readAllBytes());
                    asked.add(body.at("/messages/0/content").asString(""));
                    String said = asked.size() == 1 ? "No doubt: Yes." : "no";
                    byte[] reply =
                            "{\"choices\":[{\"message\":{\"content\":\"%s\"}}]}"
                                    .formatted(said)
                                    .getBytes(StandardCharsets.UTF_8);
                    exchange.sendResponseHeaders(200, reply.length);
                    exchange.getResponseBody().write(reply);
                    exchange.close();
                });
        server.start();
        Path file = directory.resolve("qa.jsonl");
        Files.writeString(
                file,
                """
                {"question": "Who hid the letter?", "answer": "Ann", "context": "Ann hid it."}
                {"question": "Is it hid?", "answer": true, "type": "yesno"}
                """);
        Path json = directory.resolve("qa.json");
        String url = "http://127.0.0.1:" + server.getAddress().getPort() + "/v1";
        Outcome outcome;
        try {
            outcome =
                    CommandLineTest.run(
                            "eval", model, "--qa", file, "--judge", url, "--json", json);
        } finally {
            server.stop(0);
        }
        assertThat(outcome.code()).as(outcome.err()).isZero();
        JsonNode results = JSON.readTree(json.toFile());
        assertThat(results.at("/scores/judge/score").asDouble()).isEqualTo(0.5);
        assertThat(results.at("/scores/f1/questions").asInt()).isEqualTo(1);
        assertThat(results.at("/answers/0/judge/right").asBoolean()).isTrue();
        assertThat(results.at("/answers/1/judge/asked").asString("")).isEqualTo(asked.get(1));
        assertThat(asked.get(0))
                .contains("Who hid the letter?", "Right answers: Ann")
                .doesNotContain("Ann hid it.")
                .contains(results.at("/answers/0/written").asString("").strip());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "{}", "{\"choices\": []}", "<html>"})
    void aJudgeThatSaysNothingHasNotSaidNo(String reply) throws Exception {
        HttpServer server =
                HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext(
                "/",
                exchange -> {
                    byte[] bytes = reply.getBytes(StandardCharsets.UTF_8);
                    exchange.sendResponseHeaders(200, bytes.length == 0 ? -1 : bytes.length);
                    exchange.getResponseBody().write(bytes);
                    exchange.close();
                });
        server.start();
        Path file = directory.resolve("one.jsonl");
        Files.writeString(file, "{\"question\": \"Who?\", \"answer\": \"Ann\"}");
        String url = "http://127.0.0.1:" + server.getAddress().getPort() + "/v1";
        try {
            Outcome outcome = CommandLineTest.run("eval", model, "--qa", file, "--judge", url);
            assertThat(outcome.code()).isEqualTo(1);
            assertThat(outcome.err()).containsPattern(url + "\\S* answers (without a|what is not)");
        } finally {
            server.stop(0);
        }
    }

    /** There is no model at all: the file is read first. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--choices | {\"question\": \"x\", \"choices\": [\"a\", \"b\"], \"answer\": 2} | the answer 2 is none of the 2 choices",
                "--choices | {\"question\": \"x\", \"choices\": [\"a\", \"b\"], \"label\": \"Q\"} | is none of the 2 choices",
                "--choices | {\"question\": \"x\", \"choices\": [\"a\", \"b\"]} | needs one of answer, label, gold, answerKey, and has none",
                "--choices | {\"question\": \"x\", \"ctx\": \"y\", \"choices\": [\"a\", \"b\"], \"answer\": 0} | has question and ctx",
                "--choices | {\"question\": \"x\", \"choices\": [\"a\"], \"answer\": 0} | has one choice",
                "--choices | {\"question\": | is not valid JSON",
                "--qa | {\"question\": \"x\", \"answer\": 3} | the answer must be a text",
                "--qa | {\"question\": \"x\", \"answer\": \"si\", \"type\": \"yesno\"} | must be yes or no",
                "--qa | {\"question\": \"x\", \"answer\": \"y\", \"type\": \"yes\"} | none of exact, f1, yesno, choice",
                "--qa | {\"question\": \"x\", \"answer\": \"y\", \"context\": 5} | the context must be a text",
                "--qa | [1] | is not an object"
            })
    void aBadLineIsNamed(String option, String bad, String fault) throws Exception {
        String good = "{\"question\": \"x\", \"choices\": [\"a\", \"b\"], \"answer\": 1}";
        Path file = Files.writeString(directory.resolve("l.jsonl"), good + "\n\n" + bad + "\n");
        Outcome outcome = CommandLineTest.run("eval", "/nowhere", option, file);
        assertThat(outcome.code()).isEqualTo(2);
        assertThat(outcome.err())
                .contains("l.jsonl: line 3")
                .contains(fault)
                .doesNotContain("\tat");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--suite rule | there is no suite rule, but ruler, mrcr",
                "--suite ruler --tasks qa1 | ruler has no task qa1, but niah_single_1",
                "--suite ruler --documents 0 | --documents 0 must be at least 1",
                "--suite ruler --texts /nowhere.txt | /nowhere.txt: there is no such file",
                "--suite ruler --text x.txt | give one of",
                "--tasks qa1 | belong to --suite",
                "--chat | --chat belongs to",
                "--judge http://localhost | --judge belongs to --qa",
                "--json / | --json / is a directory",
                "--json /no/x.json | --json /no/x.json: there is no directory /no: make it",
                "--insecure | belong to --judge"
            })
    void optionsThatDoNotFitAreRefused(String options, String fault) {
        Outcome outcome = CommandLineTest.run("eval", "/nowhere", List.of(options.split(" ")));
        assertThat(outcome.code()).isPositive();
        assertThat(outcome.err()).contains(fault).doesNotContain("\tat");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "exact | \"Ann\" | the Ann! | 1",
                "f1 | [\"Bob\", \"Ann Lee\"] | Ann | 0.666666667",
                "yesno | true | Yes, it is. | 1",
                "yesno | \"no\" | Yes. No. | 0",
                "choice | \"B\" | (B) | 1",
                "choice | \"B\" | A or B | 0"
            })
    void anAnswerIsComparedByItsType(String type, String answer, String written, double score) {
        String line = "{\"question\": \"x\", \"answer\": %s, \"type\": \"%s\"}";
        QaLine parsed = QaLine.parse(JSON.readTree(line.formatted(answer, type)));
        assertThat(parsed.score(written)).isCloseTo(score, offset(1e-6));
    }

    @Test
    void choicesAreGivenLetters() {
        String line =
                "{\"prompt\": \"Which?\", \"choices\": [\"red\", \"blue\"], \"answer\": \"blue\"}";
        QaLine parsed = QaLine.parse(JSON.readTree(line));
        assertThat(parsed.text()).isEqualTo("Which?\nA. red\nB. blue");
        assertThat(parsed.answers()).containsExactly("B");
    }
}
