package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** A node that runs one job after the other, as those of a cluster do for weeks. */
@EnabledOnOs(OS.LINUX)
class NodeMemoryTest {
    /** The heap is there whole from the start: what grows is what a device's memory grows by. */
    private static final String HEAP = "JAVA_TOOL_OPTIONS=-Xms400m -XX:+AlwaysPreTouch";

    /** 41 MB of weights; with gradients and moments a job takes 164. */
    private static final List<String> MODEL =
            List.of(
                    "model.hiddenSize=320",
                    "model.headDim=32",
                    "model.intermediateSize=1024",
                    "model.numLayers=7",
                    "stages=[{task=copy,seqLen=128,steps=3,tokensPerStep=128}]",
                    "ring.size=1",
                    "snapshot.everySteps=2");

    @TempDir private Path directory;

    @Test
    void sixJobsTakeNoMoreMemoryThanThree() throws Exception {
        run(6);
    }

    @Tag("slow")
    @Test
    void twentyJobsTakeNoMoreMemoryThanThree() throws Exception {
        run(20);
    }

    private void run(int jobs) throws Exception {
        List<Long> resident = new ArrayList<>();
        List<LocalCluster.Place> places =
                List.of(new LocalCluster.Place("127.0.0.1", List.of("env", HEAP)));
        try (LocalCluster cluster = new LocalCluster(directory, places)) {
            for (int job = 1; job <= jobs; job++) {
                List<String> command = new ArrayList<>(MODEL);
                command.add("dtype=" + (job % 2 == 0 ? "bf16" : "f32"));
                command.add("output=" + directory.resolve("run-" + job));
                cluster.awaitDone(cluster.submit(command), 120);
                resident.add(resident(cluster.process(0)));
                System.out.printf("job %d: %d MB resident%n", job, resident.getLast() >> 20);
            }
        }
        assertThat(resident.getLast())
                .as("bytes %s", resident)
                .isLessThan((long) (1.05 * resident.get(2)));
    }

    private static long resident(Process process) throws Exception {
        for (String line : Files.readAllLines(Path.of("/proc/" + process.pid() + "/status"))) {
            if (line.startsWith("VmRSS:")) {
                return Long.parseLong(line.replaceAll("\\D", "")) << 10;
            }
        }
        throw new AssertionError("no VmRSS");
    }
}
