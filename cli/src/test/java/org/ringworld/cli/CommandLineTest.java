package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

public class CommandLineTest {
    /** A job of a second or so. */
    public static final List<String> TINY =
            List.of(
                    "model.hiddenSize=16",
                    "model.headDim=8",
                    "model.intermediateSize=24",
                    "stages=[{task=copy,seqLen=32,steps=6,tokensPerStep=128},{task=needles,seqLen=160,steps=3}]");

    @TempDir private Path directory;

    public record Outcome(int code, String out, String err) {}

    public static Outcome run(Object... arguments) {
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream outBytes = new ByteArrayOutputStream();
        ByteArrayOutputStream errBytes = new ByteArrayOutputStream();
        System.setOut(new PrintStream(outBytes, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(errBytes, true, StandardCharsets.UTF_8));
        try {
            String[] words =
                    java.util.Arrays.stream(arguments)
                            .flatMap(
                                    a ->
                                            a instanceof List<?> list
                                                    ? list.stream()
                                                    : java.util.stream.Stream.of(a))
                            .map(Object::toString)
                            .toArray(String[]::new);
            int code = Ringworld.run(words);
            return new Outcome(
                    code,
                    outBytes.toString(StandardCharsets.UTF_8),
                    errBytes.toString(StandardCharsets.UTF_8));
        } finally {
            System.setOut(out);
            System.setErr(err);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "train nowhere.conf | there is no such job file",
                "train modle.hiddenSize=3 | did you mean model.hiddenSize?",
                "train learningRate=3 | did you mean optimizer.learningRate?",
                "train stages.0.stepz=3 | did you mean stages.0.steps?",
                "train stages.9.steps=3 | there is no element 9",
                "train stages.0.steps=-3 | steps = -3",
                "train stages.0.seqLen=0 | seqLen = 0",
                "train model.hiddenSize=-1 | model.hiddenSize = -1 must be at least 1",
                "train model.vocabSize=100 | the tokenizer has 260 tokens",
                "train dtype=f16 | not one of f32, bf16",
                "train ring.layout=zag | not one of zigzag, striped, contiguous",
                "train ring.shares=3 | ring.shares = 3 is not one of auto, even",
                "train ring.size=0 | ring.size = 0 must be at least 1",
                "train devices=cpu | devices must be a list",
                "train devices=[] | devices = [] makes no ring",
                "train devices=[tpu] | devices.0 = tpu is no device; for example devices = [cpu,",
                "train devices=[{cpu{threads=0}}] | devices.0.cpu.threads = 0 must be at least 1",
                "train devices=[cpu] ring.size=2 | the command line gives devices and ring.size",
                "eval /nowhere devices=[cpu] device.threads=2 | the command line gives devices and device.threads",
                "bench step devices=[cpu] ring={size=2} | the command line gives devices and ring.size",
                "train seed=abc | seed has type STRING",
                "train stages=[] | at least one stage",
                "train model=3 | model must be an object",
                "train model.numHeads=3 | numHeads",
                "train optimizer.beta1=1.5 | beta1",
                "train data.heldOut=2 | heldOut",
                "train tokenizer=/nowhere | /nowhere",
                "train model.path=/nowhere | /nowhere",
                "train model.preset=9b | 9b",
                "train data.path=/nowhere | ringworld: data.path = /nowhere",
                "train data.task=needle | ringworld: data.task = needle is not one of copy",
                "train stages.1.task=needle | stages.1.task = needle is not one of copy, separators, needles",
                "train stages.1.data.path=/nowhere | stages.1.data.path: task = separators makes its own",
                "train stages.2.task=text stages.2.data.path=/nowhere | stages.2.data.path = /nowhere",
                "train optimizer.beta2=1.5 | ringworld: optimizer.beta2 = 1.5",
                "train continue=/nowhere | continue = /nowhere holds no snapshot",
                "train stages.1.mix=[{seqLen=64,share=1}] | stages.1.mix: each share must be over 0",
                "train ~/no-such-job.conf | /no-such-job.conf: there is no such job file",
                "generate /nowhere --prompt x dtype=${x} | dtype=${x} cannot be resolved",
                "train data.path=~nobody/x | ~nobody/x: write the home directory out",
                "generate /nowhere --prompt x | there is no such model",
                "generate /nowhere --prompt x --top-p 7 | top-p = 7",
                "eval /nowhere | there is no such model",
                "forward /nowhere --batch x --out y | there is no such model",
                "train one.conf two.conf | two job files",
                "train --frobnicate | Unknown option",
                "frobnicate | frobnicate"
            })
    void badInputGivesOneSentenceAndAnExitCode(String command, String sentence) {
        Outcome outcome = run(List.of((command + outputOf(command)).split(" ")));
        assertThat(outcome.code).isIn(Ringworld.FAILED, Ringworld.USAGE);
        assertThat(outcome.err).contains(sentence).doesNotContain("\tat ");
        assertThat(directory.resolve("run")).doesNotExist();
    }

    private String outputOf(String command) {
        return command.startsWith("train") ? " output=" + directory.resolve("run") : "";
    }

    @Test
    void aJobIsTrainedEvaluatedAndSaidToBeFinished() throws Exception {
        Path run = directory.resolve("run");
        Outcome trained = run("train", TINY, "output=" + run);
        assertThat(trained.code).as(trained.err).isZero();
        assertThat(trained.out).contains("before, on unseen documents").contains("done in");
        List<String> metrics = Files.readAllLines(run.resolve("metrics.jsonl"));
        assertThat(metrics).hasSize(9);
        for (int i = 0; i < metrics.size(); i++) {
            assertThat(metrics.get(i))
                    .startsWith("{\"step\":" + (i + 1) + ",")
                    .contains("\"flopsShare\"");
        }
        for (String file :
                List.of(
                        "job.conf",
                        "loss.png",
                        "retrieval.png",
                        "judged.json",
                        "final/config.json")) {
            assertThat(run.resolve(file)).isNotEmptyFile();
        }
        assertThat(run.resolve("stages/0-32/README.md"))
                .content()
                .contains("| 0 | copy | 32 |")
                .doesNotContain("| 1 | needles");
        assertThat(run.resolve("final/README.md"))
                .content()
                .contains(
                        "| 1 | needles | 160 |", "| one needle | 160 | 200 |", "Effective length");

        Outcome again = run("train", TINY, "output=" + run);
        assertThat(again.code).isZero();
        assertThat(again.out).contains("is finished");
        Outcome other = run("train", TINY, "output=" + run, "seed=2");
        assertThat(other.code).isEqualTo(Ringworld.USAGE);
        assertThat(other.err).contains("another job").contains("seed (there 1, here 2)");

        Outcome text = run("generate", run, "--prompt", "abc", "--max-new-tokens", "5");
        assertThat(text.code).isZero();
        assertThat(text.out).startsWith("abc");
        Path json = directory.resolve("eval.json");
        Outcome evaluated = run("eval", run, "--lengths", "160", "--needles", "1", "--json", json);
        assertThat(evaluated.err).doesNotContain("ringworld:");
        assertThat(evaluated.code).isZero();
        assertThat(evaluated.out).contains("one needle");
        assertThat(json).isNotEmptyFile();
    }

    @Test
    void aRunThatIsContinuedIsTheRunThatWasLongerFromTheStart() throws Exception {
        String stages = "stages=[{task=copy,seqLen=32,steps=%d,tokensPerStep=64}]";
        Path once = directory.resolve("once");
        Path begun = directory.resolve("begun");
        Path continued = directory.resolve("continued");
        List<String> sizes = TINY.subList(0, 3);
        assertThat(run("train", sizes, stages.formatted(9), "output=" + once).code).isZero();
        assertThat(run("train", sizes, stages.formatted(4), "output=" + begun).code).isZero();
        String more = stages.formatted(9);
        Outcome outcome = run("train", sizes, more, "continue=" + begun, "output=" + continued);
        assertThat(outcome.code).as(outcome.err).isZero();
        assertThat(outcome.out).contains("going on after step 4");
        assertThat(Files.readAllLines(continued.resolve("metrics.jsonl"))).hasSize(9);
        for (String file : List.of("model.safetensors", "optimizer-00001-of-00001.safetensors")) {
            String path = "snapshots/step-9/" + file;
            assertThat(continued.resolve(path)).hasSameBinaryContentAs(once.resolve(path));
        }
        assertThat(begun.resolve("snapshots/step-4/model.safetensors")).isNotEmptyFile();

        Outcome again = run("train", sizes, more, "output=" + continued);
        assertThat(again.out).contains("is finished");
        Path none = directory.resolve("none");
        Outcome tooFew =
                run("train", sizes, stages.formatted(4), "continue=" + begun, "output=" + none);
        assertThat(tooFew.code).isEqualTo(Ringworld.USAGE);
        assertThat(tooFew.err).contains("has 4 steps behind it");
        assertThat(tooFew.out).isEmpty();
        Outcome other =
                run("train", more, "model.numLayers=3", "continue=" + begun, "output=" + none);
        assertThat(other.code).isEqualTo(Ringworld.USAGE);
        assertThat(other.err).contains("other sizes");
        assertThat(other.out).isEmpty();
        assertThat(none).doesNotExist();
    }

    @Test
    void theFirstScreenIsFiveLines() {
        Path run = directory.resolve("run");
        Outcome outcome = run("train", TINY, "output=" + run);
        List<String> lines = outcome.out.lines().limit(5).toList();
        assertThat(lines)
                .satisfiesExactly(
                        line -> assertThat(line).startsWith("model   "),
                        line -> assertThat(line).startsWith("ring    "),
                        line -> assertThat(line).startsWith("data    "),
                        line -> assertThat(line).startsWith("stages  "),
                        line -> assertThat(line).startsWith("output  " + run));
        assertThat(lines.subList(0, 4)).allMatch(line -> line.length() <= 120);
        Outcome other = run("train", "output=" + run);
        assertThat(other.code).isEqualTo(Ringworld.USAGE);
        assertThat(other.err.length()).isLessThan(1200);
        assertThat(other.err).containsPattern("and \\d+ more keys");
    }

    @Test
    void textsAreTrainedOnAndTheirBitsFall() throws Exception {
        Path texts = Files.createDirectory(directory.resolve("texts"));
        for (int i = 0; i < 20; i++) {
            Files.writeString(
                    texts.resolve(i + ".txt"), ("The ring turns " + i + " times. ").repeat(30));
        }
        Outcome outcome =
                run(
                        "train",
                        TINY.subList(0, 3),
                        "stages=[{seqLen=64,steps=40,tokensPerStep=256}]",
                        "optimizer.learningRate=1e-2",
                        "optimizer.warmupSteps=5",
                        "data.path=" + texts,
                        "data.heldOut=0.1",
                        "output=" + directory.resolve("run"));
        assertThat(outcome.code).as(outcome.err).isZero();
        List<Double> bits =
                outcome.out
                        .lines()
                        .filter(l -> l.contains("held out") && l.contains(" bits"))
                        .map(l -> Double.parseDouble(l.replaceAll(".*64: ([0-9.]+) bits.*", "$1")))
                        .toList();
        assertThat(bits).hasSize(2);
        assertThat(bits.get(1)).isLessThan(bits.get(0) - 2);
        Outcome loss = run("eval", directory.resolve("run"), "--text", texts, "--lengths", "64");
        assertThat(loss.code).isZero();
        assertThat(loss.out).contains("bits/byte");
    }

    @Test
    void anUnwritableOutputIsNamed() {
        Outcome outcome = run("train", TINY, "output=/proc/run");
        assertThat(outcome.code).isEqualTo(Ringworld.FAILED);
        assertThat(outcome.err).contains("output = /proc/run cannot be written");
    }

    @Test
    void aTruncatedModelIsRefusedAndLeftAlone() throws Exception {
        Path run = directory.resolve("run");
        run("train", TINY, "output=" + run);
        Path weights = run.resolve("final/model.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        Files.write(weights, java.util.Arrays.copyOf(bytes, bytes.length / 2));
        Outcome outcome = run("generate", run, "--prompt", "x");
        assertThat(outcome.code).isEqualTo(Ringworld.FAILED);
        assertThat(outcome.err).contains("model.safetensors").doesNotContain("\tat ");
        assertThat(Files.size(weights)).isEqualTo(bytes.length / 2);
    }

    @Test
    void benchStepSaysWhereTimeAndMemoryGo() {
        Path json = directory.resolve("bench.json");
        Outcome outcome =
                run(
                        "bench",
                        "step",
                        "--json",
                        json,
                        "model.vocabSize=260",
                        "model.hiddenSize=32",
                        "model.intermediateSize=64",
                        "model.numLayers=2",
                        "model.numHeads=2",
                        "model.numKvHeads=2",
                        "model.headDim=16",
                        "ring.size=2",
                        "seqLen=64",
                        "tokensPerStep=128",
                        "steps=3");
        assertThat(outcome.code).as(outcome.err).isZero();
        assertThat(outcome.out).contains("MiB a rank: weights").contains("outside kernels");
        JsonNode result = JsonMapper.shared().readTree(json.toFile()).get(0).get("result");
        double kernels = 0;
        for (JsonNode share : result.get("kernelShares")) {
            kernels += share.asDouble();
        }
        assertThat(kernels).isBetween(0.01, 1.0);
        long parameters = result.get("memory").get("gradients").asLong() / Float.BYTES;
        assertThat(result.get("memory").get("optimizer").asLong()).isEqualTo(8 * parameters);
    }

    @Test
    void everyCommandHasHelpWithExamples() {
        for (String command : List.of("train", "generate", "eval", "forward", "bench", "doctor")) {
            Outcome help = run(command, "--help");
            assertThat(help.code).isZero();
            assertThat(help.out).contains("Examples:").contains("ringworld " + command);
        }
        assertThat(run("--version").out).contains("ringworld 0.");
    }
}
