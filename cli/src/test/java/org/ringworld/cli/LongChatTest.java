package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.cli.CommandLineTest.Outcome;
import org.ringworld.cli.qa.MakeQaCommand;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * From a model that has learned to ask and answer to a chat about documents that it has never seen.
 * A minute of one core, so in the slow profile.
 */
@Tag("slow")
class LongChatTest {
    private static final JsonMapper JSON = JsonMapper.shared();
    private static final int CHUNK = 128;
    private static final int CHUNKS_OF_A_DOCUMENT = 4;
    private static final Pattern FACT =
            Pattern.compile("The magic number of (\\w+) is (\\d{7})\\.");
    private static final String[] WORDS =
            "the of and a to in he was that it his on as with had her she for at by not but be"
                    .split(" ");

    @TempDir private Path directory;

    private record Fact(String name, String number) {
        static Fact of(Random random) {
            StringBuilder name = new StringBuilder();
            for (int syllables = random.nextInt(2, 5); syllables > 0; syllables--) {
                name.append("bcdfghklmnprstvz".charAt(random.nextInt(16)));
                name.append("aeiou".charAt(random.nextInt(5)));
            }
            name.setCharAt(0, Character.toUpperCase(name.charAt(0)));
            return new Fact(name.toString(), "%07d".formatted(random.nextInt(10_000_000)));
        }

        String question() {
            return "What is the magic number of " + name + "?";
        }

        String answer() {
            return "The magic number of " + name + " is " + number + ".";
        }

        /** A chunk of prose that states it somewhere. */
        String chunk(Random random) {
            int prose = CHUNK - answer().length() - 2;
            int before = random.nextInt(prose + 1);
            return prose(random, before) + " " + answer() + " " + prose(random, prose - before);
        }
    }

    private static String prose(Random random, int length) {
        StringBuilder prose = new StringBuilder();
        while (prose.length() < length) {
            prose.append(WORDS[random.nextInt(WORDS.length)]).append(' ');
        }
        prose.setLength(length);
        return prose.toString();
    }

    /** Chunks under make-qa's own prompt, with the right question and answer. */
    private Path lessons(int count) throws IOException {
        Random random = new Random(1);
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            Fact fact = Fact.of(random);
            String said = MakeQaCommand.PROMPT + fact.chunk(random);
            String right = " Question: " + fact.question() + "\nAnswer: " + fact.answer();
            lines.add(
                    JSON.createObjectNode()
                            .put(
                                    "asked",
                                    "You are a helpful assistant. USER: " + said + " ASSISTANT:")
                            .put("told", right)
                            .toString());
        }
        return Files.write(directory.resolve("lessons.jsonl"), lines);
    }

    private Path documents(int count) throws IOException {
        Random random = new Random(2);
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            StringBuilder text = new StringBuilder();
            for (int c = 0; c < CHUNKS_OF_A_DOCUMENT; c++) {
                text.append(Fact.of(random).chunk(random));
            }
            lines.add(JSON.createObjectNode().put("text", text.toString()).toString());
        }
        return Files.write(directory.resolve("documents.jsonl"), lines);
    }

    private Path train(String name, Object... keys) {
        Path run = directory.resolve(name);
        Outcome outcome =
                CommandLineTest.run(
                        "train",
                        "ring.size=1",
                        "device.threads=1",
                        "data.heldOut=0",
                        "output=" + run,
                        List.of(keys));
        assertThat(outcome.code()).as(outcome.err()).isZero();
        return run;
    }

    private static double loss(List<String> metrics, int line) {
        return JSON.readTree(metrics.get(line)).get("loss").asDouble();
    }

    @Test
    void aModelAsksAndAnswersRightlyAboutUnseenDocumentsAndItsChatsTrain() throws Exception {
        Path model =
                train(
                        "model",
                        "data.path=" + lessons(6000),
                        "data.fields=\"[asked],told\"",
                        "stages=[{task=copy,seqLen=64,steps=500,tokensPerStep=1024,optimizer.warmupSteps=100},"
                                + "{seqLen=512,steps=600,tokensPerStep=4096,optimizer{learningRate=2e-3,warmupSteps=50,decayFraction=0.5,minRatio=0.05}}]");
        Path out = directory.resolve("qa.jsonl");
        Outcome made =
                CommandLineTest.run(
                        "make-qa",
                        documents(25),
                        "--out=" + out,
                        "--model=" + model,
                        "--chunk-tokens=" + CHUNK,
                        "--chunks=" + CHUNKS_OF_A_DOCUMENT);
        assertThat(made.code()).as(made.err()).isZero();
        int right = 0;
        for (String line : Files.readAllLines(out)) {
            right += right(JSON.readTree(line));
        }
        System.out.println(right + " of 100 pairs are right");
        assertThat(right).isBetween(85, 100);

        Path chat =
                train(
                        "chat",
                        "model.path=" + model,
                        "data.path=" + out,
                        "data.fieldsFromExample=fields",
                        "data.documentWeights=true",
                        "stages=[{seqLen=1024,steps=40,tokensPerStep=4096,ropeTheta=4e4}]");
        List<String> metrics = Files.readAllLines(chat.resolve("metrics.jsonl"));
        assertThat(metrics.getLast()).contains("\"accuracy\"");
        assertThat(loss(metrics, 39)).isLessThan(loss(metrics, 0) / 2);
    }

    /** How many of a line's chunks have their own question and its answer. */
    private static int right(JsonNode line) {
        Matcher facts = FACT.matcher(line.get("text").asString());
        int right = 0;
        for (int i = 0; facts.find(); i++) {
            Fact fact = new Fact(facts.group(1), facts.group(2));
            boolean asked =
                    line.path("question" + i)
                            .asString("")
                            .contains(fact.question() + " ASSISTANT:");
            right += asked && line.path("answer" + i).asString("").equals(fact.answer()) ? 1 : 0;
        }
        return right;
    }
}
