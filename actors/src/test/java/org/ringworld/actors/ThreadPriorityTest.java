package org.ringworld.actors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** What the kernel says of this process's threads, before, while and after they are lowered. */
@EnabledOnOs(OS.LINUX)
class ThreadPriorityTest {
    /** The nineteenth field; the second, a name in brackets, may have blanks. */
    private static int nice(Path thread) {
        try {
            String stat = Files.readString(thread.resolve("stat"));
            return Integer.parseInt(stat.substring(stat.lastIndexOf(')') + 2).split(" ")[16]);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static int own() {
        return nice(Path.of("/proc/thread-self"));
    }

    private static long last() throws IOException {
        try (Stream<Path> threads = Files.list(Path.of("/proc/self/task"))) {
            return threads.filter(Files::exists).filter(t -> nice(t) == 19).count();
        }
    }

    @Test
    void allThreadsAndThoseTheyStartAreLowUntilRaised() throws Exception {
        int before = own();
        long lowBefore = last();
        Runnable raise = ThreadPriority.lowerAll();
        try (ExecutorService meanwhile = Executors.newFixedThreadPool(4)) {
            assumeTrue(own() != before, "the system would not let it raise them again");
            assertThat(own()).isEqualTo(19);
            for (int i = 0; i < 4; i++) {
                assertThat(meanwhile.submit(ThreadPriorityTest::own).get()).isEqualTo(19);
            }
            raise.run();
            assertThat(own()).isEqualTo(before);
            assertThat(IntStream.range(0, 8).map(i -> get(meanwhile))).containsOnly(before);
            assertThat(last()).isEqualTo(lowBefore);
            raise.run();
            assertThat(own()).isEqualTo(before);
        } finally {
            raise.run();
        }
    }

    private static int get(ExecutorService threads) {
        try {
            return threads.submit(ThreadPriorityTest::own).get();
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void whoIsLoweredForGoodStaysSo() throws Exception {
        int before = own();
        assumeTrue(before < 10);
        try (ExecutorService thread = Executors.newSingleThreadExecutor()) {
            thread.submit(ThreadPriority::lower).get();
            assertThat(get(thread)).isEqualTo(10);
            assertThat(own()).isEqualTo(before);
        }
    }
}
