package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The programs of examples/programs, run as one runs a Java file. */
class ExampleProgramsTest {
    @TempDir private Path directory;

    private Process start(String program, String... arguments) throws Exception {
        String source = Path.of("../examples/programs", program).toString();
        return SignalTest.java(log(program), source, List.of(arguments));
    }

    private Path log(String program) {
        return directory.resolve(program + ".log");
    }

    private String run(String program, String... arguments) throws Exception {
        Process process = start(program, arguments);
        assertThat(process.waitFor(180, TimeUnit.SECONDS)).isTrue();
        String out = Files.readString(log(program));
        assertThat(process.exitValue()).as(out).isZero();
        return out;
    }

    @Test
    void aProgramTrainsAndAnotherGenerates() throws Exception {
        Path run = directory.resolve("run");
        assertThat(run("Train.java", run.toString()))
                .contains("step 1, loss ")
                .contains("step 30, loss ")
                .contains("Completed");
        assertThat(run.resolve("final/model.safetensors")).exists();
        String written = run("Generate.java", run.toString(), "The magic number of Paris is ");
        CommandLineTest.Outcome same =
                CommandLineTest.run(
                        "generate",
                        run,
                        "--prompt",
                        "The magic number of Paris is ",
                        "--max-new-tokens",
                        "64");
        assertThat(same.out()).contains(written.substring(written.indexOf('\n') + 1));
    }

    @Test
    void aProgramStartsANodeAndAnotherTrainsThere() throws Exception {
        int port;
        try (ServerSocket free = new ServerSocket(0)) {
            port = Math.min(free.getLocalPort(), 65_000);
        }
        Process node =
                start(
                        "StartNode.java",
                        "port=" + port,
                        "peers=[\"127.0.0.1:" + port + "\"]",
                        "devices=[{cpu{threads=1}},{cpu{threads=1}}]",
                        "queue=" + directory.resolve("queue"));
        try {
            awaitJobsTaken(node);
            Path run = directory.resolve("run");
            assertThat(run("TrainOnCluster.java", run.toString(), "127.0.0.1:" + port))
                    .contains("step 1, loss ")
                    .contains("step 30, loss ")
                    .contains("Completed[model=" + run.resolve("final") + "]");
            assertThat(run.resolve("final/model.safetensors")).exists();
        } finally {
            node.destroyForcibly().onExit().join();
        }
    }

    private void awaitJobsTaken(Process node) throws Exception {
        for (int i = 0; i < 1200 && node.isAlive(); i++) {
            if (Files.readString(log("StartNode.java")).contains("jobs are taken at")) {
                return;
            }
            Thread.sleep(100);
        }
        throw new AssertionError(Files.readString(log("StartNode.java")));
    }
}
