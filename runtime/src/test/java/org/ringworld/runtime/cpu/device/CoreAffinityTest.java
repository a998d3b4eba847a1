package org.ringworld.runtime.cpu.device;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.ringworld.runtime.cpu.HostCpu;

@EnabledOnOs(OS.LINUX)
class CoreAffinityTest {
    private final int cores = CoreAffinity.allowedCores().length;

    @Test
    void noTwoThreadsShareACoreAndNoneIsPinnedWhenTheyDoNotFit() {
        try (var first = CoreAffinity.claim(cores)) {
            int[] pinned = Arrays.stream(first.cores()).filter(c -> c >= 0).toArray();
            assertThat(pinned).doesNotHaveDuplicates();
            try (var second = CoreAffinity.claim(1)) {
                assertThat(first.cores()).containsOnly(-1);
                assertThat(second.cores()).containsOnly(-1);
            }
            // Claims of other processes may have come in between, so no more is sure than this.
            assertThat(Arrays.stream(first.cores()).filter(c -> c >= 0).toArray())
                    .doesNotHaveDuplicates();
        }
    }

    @Test
    void aDrivingThreadRunsOnItsCore() throws InterruptedException {
        try (var claim = CoreAffinity.claim(1)) {
            int[] seen = new int[1];
            Thread thread =
                    new Thread(
                            () -> claim.run(0, () -> seen[0] = CoreAffinity.coresOfThisThread()));
            thread.start();
            thread.join();
            assertThat(seen[0]).isEqualTo(claim.cores()[0] >= 0 ? 1 : cores);
        }
    }

    @Test
    void whatADrivingThreadStartsMayRunOnEveryCore() throws InterruptedException {
        try (var claim = CoreAffinity.claim(1)) {
            int[] seen = new int[1];
            Runnable started = () -> seen[0] = CoreAffinity.coresOfThisThread();
            Runnable starts = () -> join(new Thread(HostCpu.onAnyCore(started)));
            join(new Thread(() -> claim.run(0, starts)));
            assertThat(seen[0]).isEqualTo(cores);
        }
    }

    private static void join(Thread thread) {
        thread.start();
        try {
            thread.join();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
