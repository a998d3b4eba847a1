package org.ringworld.model.decode;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.ringworld.model.attention.PageMemory;

class SchedulerTest {
    private static final int T = PageMemory.TOKENS;

    private final List<String> ends = new ArrayList<>();
    private final Scheduler.Listener listener =
            new Scheduler.Listener() {
                @Override
                public void begins(int cachedTokens) {}

                @Override
                public void token(Made.Token token) {}

                @Override
                public void scored(Made.Scores scores) {}

                @Override
                public void ended(String fault) {
                    ends.add(fault);
                }
            };

    private static Made made(int rank, int from, int count) {
        Made.Scores scores =
                new Made.Scores(
                        1, from, new float[count], new boolean[count], new int[0], new float[0]);
        return new Made(rank, 1, 0, List.of(), List.of(scores), 0.1);
    }

    /** Two pages are read, one by each rank. */
    private Scheduler reading() {
        Scheduler scheduler = new Scheduler(new PageDirectory(2, 10, 0), 100, 2 * T, 1, false);
        scheduler.ask(1, new Ask(new int[3 * T], 0, Sampler.GREEDY, Set.of(), 0, 1), listener);
        assertThat(scheduler.next().orElseThrow().fills())
                .containsExactly(new Serve.Fill(1, 0, 2 * T));
        scheduler.made(made(0, 1, T));
        return scheduler;
    }

    @Test
    void whatALostRankDidNotTellIsNotWaitedFor() {
        Scheduler scheduler = reading();
        scheduler.restart(null);
        assertThat(ends).singleElement().asString().contains("ask again");
        assertThat(scheduler.isIdle()).isTrue();
    }

    @Test
    void whatAllRanksToldIsGoneOnWith() {
        Scheduler scheduler = reading();
        scheduler.made(made(1, T + 1, T));
        scheduler.restart(null);
        assertThat(ends).isEmpty();
        assertThat(scheduler.next().orElseThrow().fills())
                .containsExactly(new Serve.Fill(1, 2 * T, 3 * T - 1));
    }
}
