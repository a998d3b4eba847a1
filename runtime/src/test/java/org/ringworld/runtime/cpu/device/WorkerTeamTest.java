package org.ringworld.runtime.cpu.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WorkerTeamTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 5})
    void runsEveryItemOnceHoweverOften(int threads) {
        try (var team = team(threads)) {
            for (int round = 0; round < 2000; round++) {
                int items = round % 17;
                var runs = new AtomicIntegerArray(items);
                team.run(items, (item, worker) -> runs.incrementAndGet(item));
                for (int i = 0; i < items; i++) {
                    assertThat(runs.get(i)).isEqualTo(1);
                }
            }
        }
    }

    @Test
    void sleepersWakeUp() throws InterruptedException {
        try (var team = team(3)) {
            for (int round = 0; round < 5; round++) {
                Thread.sleep(20);
                var runs = new AtomicIntegerArray(1);
                team.run(50, (item, worker) -> runs.incrementAndGet(0));
                assertThat(runs.get(0)).isEqualTo(50);
            }
        }
    }

    @Test
    void failuresReachTheCallerAndTheTeamGoesOn() {
        try (var team = team(3)) {
            assertThatThrownBy(
                            () ->
                                    team.run(
                                            100,
                                            (item, worker) -> {
                                                if (item == 70) {
                                                    throw new IllegalStateException("item 70");
                                                }
                                            }))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("item 70");
            team.run(100, (item, worker) -> {});
        }
    }

    @Test
    void anInterruptOfTheCallerCutsNothingShort() {
        try (var team = team(2)) {
            var runs = new AtomicIntegerArray(1);
            Thread.currentThread().interrupt();
            team.run(64, (item, worker) -> runs.incrementAndGet(0));
            assertThat(runs.get(0)).isEqualTo(64);
            assertThat(Thread.interrupted()).isTrue();
        }
    }

    private static WorkerTeam team(int threads) {
        return new WorkerTeam(
                threads,
                body -> {
                    Thread thread = new Thread(body);
                    thread.setDaemon(true);
                    return thread;
                });
    }
}
