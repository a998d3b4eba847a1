package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.cli.CommandLineTest.Outcome;

/** Real processes, really signalled. */
@EnabledOnOs(OS.LINUX)
class SignalTest {
    @TempDir private Path directory;

    private Process train(Path run) throws Exception {
        return start(directory.resolve("out.txt"), "stages.0.steps=200000", "output=" + run);
    }

    /** A process of its own that trains the tiny job with these changes. */
    static Process start(Path out, String... overrides) throws Exception {
        List<String> train = new ArrayList<>(List.of("train"));
        train.addAll(CommandLineTest.TINY);
        train.addAll(List.of(overrides));
        return command(out, train);
    }

    static Process command(Path out, List<String> arguments) throws Exception {
        return java(out, Ringworld.class.getName(), arguments);
    }

    /** A JVM of its own with this one's class path that runs a class or a source file. */
    static Process java(Path out, String program, List<String> arguments) throws Exception {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("--add-modules=jdk.incubator.vector");
        command.add("--enable-native-access=ALL-UNNAMED");
        command.add("--sun-misc-unsafe-memory-access=allow");
        command.add("-cp");
        command.add(System.getProperty("java.class.path"));
        command.add(program);
        command.addAll(arguments);
        return new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(out.toFile())
                .start();
    }

    private static long lines(Path file) throws Exception {
        return Files.exists(file) ? Files.readAllLines(file).size() : 0;
    }

    /** Whether this process was started so; its children inherit it. */
    private static boolean ignoresInterrupts() throws Exception {
        String mask =
                Files.readAllLines(Path.of("/proc/self/status")).stream()
                        .filter(line -> line.startsWith("SigIgn:"))
                        .findFirst()
                        .orElseThrow()
                        .substring("SigIgn:".length())
                        .strip();
        return (Long.parseUnsignedLong(mask, 16) & 1 << 2 - 1) != 0;
    }

    @ParameterizedTest
    @CsvSource({"INT,130", "TERM,143"})
    void aSignalledJobLeavesAModelThatOpensAndGoesOn(String signal, int code) throws Exception {
        assumeFalse(
                signal.equals("INT") && ignoresInterrupts(),
                "started in the background of a script, which ignores SIGINT");
        Path run = directory.resolve("run");
        Path metrics = run.resolve("metrics.jsonl");
        Process process = train(run);
        while (lines(metrics) < 20) {
            assertThat(process.isAlive())
                    .as(Files.readString(directory.resolve("out.txt")))
                    .isTrue();
            Thread.sleep(20);
        }
        Outcome second =
                CommandLineTest.run(
                        "train", CommandLineTest.TINY, "stages.0.steps=200000", "output=" + run);
        assertThat(second.code()).isEqualTo(Ringworld.FAILED);
        assertThat(second.err()).contains("in use by process " + process.pid());
        new ProcessBuilder("kill", "-" + signal, Long.toString(process.pid())).start().waitFor();
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isEqualTo(code);
        assertThat(Files.readString(directory.resolve("out.txt"))).contains("saved as");
        long steps = lines(metrics);

        Outcome text =
                CommandLineTest.run("generate", run, "--prompt", "abc", "--max-new-tokens", "3");
        assertThat(text.code()).as(text.err()).isZero();
        Outcome evaluated = CommandLineTest.run("eval", run, "--lengths", "160", "--needles", "1");
        assertThat(evaluated.code()).as(evaluated.err()).isZero();

        Process again = train(run);
        while (lines(metrics) < steps + 10) {
            assertThat(again.isAlive()).isTrue();
            Thread.sleep(20);
        }
        again.destroyForcibly().waitFor();
        List<String> all = Files.readAllLines(metrics);
        for (int i = 0; i + 1 < all.size(); i++) {
            assertThat(all.get(i)).startsWith("{\"step\":" + (i + 1) + ",");
        }
    }
}
