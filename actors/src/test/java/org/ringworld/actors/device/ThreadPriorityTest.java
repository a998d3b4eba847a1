package org.ringworld.actors.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** What the kernel says of this process's threads, before, while and after they are lowered. */
@EnabledOnOs(OS.LINUX)
class ThreadPriorityTest {
    private static final Path OWN = Path.of("/proc/thread-self");
    private static final int NICE = 19;
    private static final int POLICY = 41;
    private static final int SCHED_IDLE = 5;

    /** A field, counted from 1; the second, a name in brackets, may have blanks. */
    private static int stat(Path thread, int field) {
        try {
            String stat = Files.readString(thread.resolve("stat"));
            String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
            return Integer.parseInt(fields[field - 3]);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static int policy() {
        return stat(OWN, POLICY);
    }

    private static long idle() throws IOException {
        try (Stream<Path> threads = Files.list(Path.of("/proc/self/task"))) {
            return threads.filter(Files::exists).filter(t -> stat(t, POLICY) == SCHED_IDLE).count();
        }
    }

    @Test
    void allThreadsAndThoseTheyStartAreLowUntilRaised() throws Exception {
        int before = policy();
        long idleBefore = idle();
        Runnable raise = ThreadPriority.lowerAll(60);
        try (ExecutorService meanwhile = Executors.newFixedThreadPool(4)) {
            assumeTrue(policy() != before, "the system would not let it raise them again");
            assertThat(policy()).isEqualTo(SCHED_IDLE);
            for (int i = 0; i < 4; i++) {
                assertThat(meanwhile.submit(ThreadPriorityTest::policy).get())
                        .isEqualTo(SCHED_IDLE);
            }
            raise.run();
            assertThat(policy()).isEqualTo(before);
            for (int i = 0; i < 8; i++) {
                assertThat(meanwhile.submit(ThreadPriorityTest::policy).get()).isEqualTo(before);
            }
            assertThat(idle()).isEqualTo(idleBefore);
            raise.run();
            assertThat(policy()).isEqualTo(before);
        } finally {
            raise.run();
        }
    }

    @Test
    void whoIsLoweredForGoodStaysSo() throws Exception {
        int before = stat(OWN, NICE);
        assumeTrue(before < 10);
        try (ExecutorService thread = Executors.newSingleThreadExecutor()) {
            thread.submit(ThreadPriority::lower).get();
            assertThat(thread.submit(() -> stat(OWN, NICE)).get()).isEqualTo(10);
            assertThat(stat(OWN, NICE)).isEqualTo(before);
        }
    }
}
