package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.cli.train.TrainCommand;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobData;
import org.ringworld.model.training.job.JobFile;
import org.ringworld.model.training.job.JobReader;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.packing.Row;
import tools.jackson.databind.json.JsonMapper;

class DataKeysTest {
    private static final List<String> SIZES = CommandLineTest.TINY.subList(0, 3);

    @TempDir private Path directory;
    private Path chat;
    private Path lengths;

    @BeforeEach
    void write() throws Exception {
        chat = directory.resolve("chat.jsonl");
        Files.writeString(
                chat,
                "{\"question\": \"what\", \"answer\": \"abc\", \"own\": [\"answer\"]}\n"
                        .repeat(30));
        lengths = directory.resolve("lengths.jsonl");
        StringBuilder lines = new StringBuilder();
        for (int n = 1; n <= 60; n++) {
            lines.append("{\"text\": \"%s\"}\n".formatted("z".repeat(n)));
        }
        Files.writeString(lengths, lines);
    }

    private static Path report(String name) throws Exception {
        return Path.of(DataKeysTest.class.getResource("/reports/" + name).toURI());
    }

    private static JobData data(String... keys) throws Exception {
        List<String> all = new ArrayList<>(SIZES);
        all.addAll(List.of(keys));
        Job job = JobReader.read(JobFile.resolve(TrainCommand.defaultJob(), all), 2);
        return JobData.open(job, new ByteTokenizer());
    }

    private static double weight(List<Row> rows) {
        double sum = 0;
        for (Row row : rows) {
            for (float weight : row.weights()) {
                sum += weight;
            }
        }
        return sum;
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "tokenizer/tiny/tokenizer.model",
                "tokenizer/tiny",
                "tokenizer/tiny_hf_list/tokenizer.json"
            })
    void aTokenizerByPathGoesFromTrainingToGeneratingAndEvaluating(String name) throws Exception {
        Path run = directory.resolve("run");
        CommandLineTest.Outcome trained =
                CommandLineTest.run(
                        "train",
                        SIZES,
                        "model.vocabSize=306",
                        "tokenizer=" + report(name),
                        "data.path=" + lengths,
                        "snapshot.everySteps=2",
                        "stages=[{seqLen=32,steps=3,tokensPerStep=64}]",
                        "output=" + run);
        assertThat(trained.code()).as(trained.err()).isZero();
        int[] ids = Tokenizer.load(report(name)).encode("hello world");
        for (Path model : List.of(run.resolve("final"), run.resolve("snapshots/step-2"))) {
            assertThat(Tokenizer.load(model).encode("hello world")).isEqualTo(ids);
        }
        CommandLineTest.Outcome text =
                CommandLineTest.run(
                        "generate", run, "--prompt", "hello world", "--max-new-tokens", "4");
        assertThat(text.code()).as(text.err()).isZero();
        assertThat(text.out()).startsWith("hello world");
        CommandLineTest.Outcome evaluated =
                CommandLineTest.run("eval", run, "--text", lengths, "--lengths", "32");
        assertThat(evaluated.code()).as(evaluated.err()).isZero();
        assertThat(evaluated.out()).contains("bits/byte");
    }

    @Test
    void fieldsDecideWhatTheLossIsTakenOf() throws Exception {
        // Each row is a document: what abc, of which a, b, c and the end of the text count.
        assertThat(weightOfTwoRows("fields=\"[question],answer\"")).isEqualTo(8);
        assertThat(weightOfTwoRows("fields=\"question,answer\"")).isEqualTo(16);
        assertThat(weightOfTwoRows("fields=\"[question],answer\",fieldWeights{answer=3}"))
                .isEqualTo(20);
        assertThat(weightOfTwoRows("fields=\"[question],answer\",documentWeights=on"))
                .isCloseTo(2, within(1e-6));
        assertThat(weightOfTwoRows("fields=answer,addEosToken=off")).isEqualTo(6);
        assertThat(weightOfTwoRows("fieldsFromExample=own")).isEqualTo(8);
    }

    private double weightOfTwoRows(String keys) throws Exception {
        JobData data =
                data(
                        "data={path=\"%s\",packing=pad,heldOut=0,%s}".formatted(chat, keys),
                        "stages=[{seqLen=8,steps=2,tokensPerStep=16}]");
        return weight(data.stream(0).rows(0, 8, 2));
    }

    @Test
    void aStageTakesDocumentsOfItsOwnLengthsAndPaths() throws Exception {
        JobData data =
                data(
                        "data.path=" + lengths,
                        "data.heldOut=0",
                        "data.packing=pad",
                        "stages=[{seqLen=64,steps=9,data.maxTokens=20}"
                                + ",{seqLen=64,steps=9,data{minTokens=20,maxTokens=40}}"
                                + ",{seqLen=64,steps=9,data{path=\"%s\",fields=answer}}]"
                                        .formatted(chat));
        // Of n letters with BOS and EOS; in 0 those of up to 19 tokens, in 1 of 20 to 39.
        assertThat(targets(data.stream(0).rows(0, 64, 17))).containsOnly(range(2, 18));
        assertThat(targets(data.stream(1).rows(0, 64, 20))).containsOnly(range(19, 38));
        assertThat(targets(data.stream(2).rows(0, 64, 20))).containsOnly(4);
        assertThat(data.passes()).extracting(JobData.Pass::rows).containsExactly(17, 20, 30);
        assertThat(data.passes().get(2).paddingShare()).isEqualTo(60 / 64.0);
    }

    private static Integer[] range(int from, int to) {
        Integer[] range = new Integer[to - from + 1];
        Arrays.setAll(range, i -> from + i);
        return range;
    }

    private static List<Integer> targets(List<Row> rows) {
        return rows.stream()
                .map(r -> (int) Arrays.stream(r.targets()).filter(t -> t >= 0).count())
                .toList();
    }

    @Test
    void sourcesGiveTheirSharesEachPackedByItself() throws Exception {
        JobData data =
                data(
                        "data.heldOut=0",
                        "data.sources=[{path=\"%s\",weight=7,fields=answer,packing=pad},{path=\"%s\",weight=3}]"
                                .formatted(chat, lengths),
                        "stages=[{seqLen=64,steps=9}]");
        List<Row> rows = data.stream(0).rows(0, 64, 1000);
        long short4 = targets(rows).stream().filter(n -> n == 4).count();
        assertThat(short4).isEqualTo(700);
        assertThat(rows.stream().filter(r -> r.ids()[1] == 'z')).hasSize(300);
    }

    @Test
    void aTokenCacheGivesTheRowsOfItsSource() throws Exception {
        Path cache = directory.resolve("c.tokens");
        CommandLineTest.run("tokenize", lengths, "--tokenizer", "bytes", "--out", cache);
        String stages = "stages=[{seqLen=64,steps=9}]";
        List<Row> read = data(stages, "data.path=" + lengths).stream(0).rows(3, 64, 4);
        List<Row> cached = data(stages, "data.path=" + cache).stream(0).rows(3, 64, 4);
        for (int i = 0; i < read.size(); i++) {
            assertThat(cached.get(i).ids()).isEqualTo(read.get(i).ids());
            assertThat(cached.get(i).weights()).isEqualTo(read.get(i).weights());
        }
    }

    @Test
    void aStageWithoutDocumentsIsNamedBeforeAnythingIsTrained() {
        Path run = directory.resolve("run");
        CommandLineTest.Outcome outcome =
                CommandLineTest.run(
                        "train",
                        SIZES,
                        "data.path=" + lengths,
                        "stages=[{seqLen=64,steps=9},{name=long,seqLen=64,steps=9,data.minTokens=100}]",
                        "output=" + run);
        assertThat(outcome.code()).isEqualTo(Ringworld.FAILED);
        assertThat(outcome.err())
                .contains("stages.1 (long)", "lengths.jsonl", "at least 100")
                .doesNotContain("\tat ");
        assertThat(run.resolve("metrics.jsonl")).doesNotExist();
    }

    @Test
    void aFileWithoutDocumentsStopsAtOnce() throws Exception {
        CommandLineTest.Outcome outcome =
                CommandLineTest.run(
                        "train",
                        SIZES,
                        "data.path=" + report("data/empty.jsonl"),
                        "stages=[{seqLen=64,steps=9}]",
                        "output=" + directory.resolve("run"));
        assertThat(outcome.code()).isEqualTo(Ringworld.FAILED);
        assertThat(outcome.err()).contains("empty.jsonl: holds no document");
        // The job can be mended and started again.
        assertThat(directory.resolve("run/job.conf")).doesNotExist();
    }

    @Test
    void linesThatCannotBeUsedAreToldAndThePaddingToo() throws Exception {
        Files.writeString(chat, Files.readString(chat) + "{\"question\": 3}\n");
        CommandLineTest.Outcome outcome =
                CommandLineTest.run(
                        "train",
                        SIZES,
                        "data.path=" + chat,
                        "data.fields=[question],answer",
                        "data.heldOut=0",
                        "stages=[{seqLen=16,steps=2}]",
                        "output=" + directory.resolve("run"));
        assertThat(outcome.code()).as(outcome.err()).isZero();
        assertThat(outcome.err()).contains("chat.jsonl: line 31 has a field question");
        // Two documents of 8 targets a row.
        assertThat(outcome.out()).contains("has 15 rows of 16, 0.0 % of them padding");
        String step = Files.readAllLines(directory.resolve("run/metrics.jsonl")).getFirst();
        assertThat(JsonMapper.shared().readTree(step).path("targetWeight").asDouble()).isEqualTo(8);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "data.packin=pad | did you mean data.packing?",
                "data.packing=tight | data.packing = tight is not one of packed, pad, noPad",
                "data.minTokens=9 data.maxTokens=9 | data.maxTokens = 9 must be over minTokens = 9",
                "data.fields=[question | data.fields",
                "data.fields=question+ | data.fields",
                "data.documentWeights=true data.packing=noPad | data.documentWeights",
                "data.path=/nowhere | ringworld: data.path = /nowhere: there is no such file",
                "data.sources=[{path=a}] | data.path and data.sources: give either",
                "data.path=null data.sources=[{weight=1}] | data.sources.0.path is missing",
                "data.path=null data.sources=[{path=.,weight=0}] | data.sources.0.weight = 0",
                "data.sources=[{pth=a}] | unknown key data.sources.0.pth; did you mean data.sources.0.path?",
                "stages.0.data.heldOut=0.1 | unknown key stages.0.data.heldOut",
                "stages.0.data.minToken=1 | did you mean stages.0.data.minTokens?",
                "stages.0.data.sources=3 | data.sources must be a list",
                "data.fieldWeights.answer=-1 | fieldWeights.answer = -1"
            })
    void aWrongKeyIsNamed(String keys, String sentence) {
        List<String> all = new ArrayList<>(SIZES);
        all.add("data.path=" + chat);
        all.add("stages=[{seqLen=64,steps=9}]");
        all.addAll(List.of(keys.split(" ")));
        CommandLineTest.Outcome outcome =
                CommandLineTest.run("train", all, "output=" + directory.resolve("run"));
        assertThat(outcome.code()).isEqualTo(Ringworld.USAGE);
        assertThat(outcome.err()).contains(sentence).doesNotContain("\tat ");
        assertThat(directory.resolve("run")).doesNotExist();
    }
}
