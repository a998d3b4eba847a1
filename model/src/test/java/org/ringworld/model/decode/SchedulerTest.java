package org.ringworld.model.decode;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
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

    /** Steps of a text that writes alone. */
    private static final int ALONE = 3;

    /** Two pages are read, one by each rank. */
    private Scheduler reading() {
        Scheduler scheduler = new Scheduler(new PageDirectory(2, 10, 0), 100, 2 * T, 1, false);
        scheduler.ask(1, new Ask(new int[3 * T], 0, Sampler.GREEDY, Set.of(), 0, 1), listener);
        assertThat(scheduler.next().orElseThrow().fills())
                .containsExactly(new Serve.Fill(1, 0, 2 * T));
        scheduler.made(made(0, 1, T));
        return scheduler;
    }

    private static PageDirectory holding(PageKey.Chain keys, int... pages) {
        PageDirectory directory = new PageDirectory(2, 10, 0);
        for (int page : pages) {
            PageKey key = keys.of(new int[3 * T], page);
            directory.holds(page % 2, new HeldPage(7, key, page));
        }
        return directory;
    }

    @Test
    void whatALostRankDidNotTellIsReadAgain() {
        Scheduler scheduler = reading();
        scheduler.restart(holding(new PageKey.Chain(), 0, 1), null);
        assertThat(ends).isEmpty();
        assertThat(scheduler.next().orElseThrow().fills())
                .containsExactly(new Serve.Fill(1, T, 3 * T - 1));
    }

    @Test
    void whatAllRanksToldIsGoneOnWith() {
        Scheduler scheduler = reading();
        scheduler.made(made(1, T + 1, T));
        scheduler.restart(holding(new PageKey.Chain(), 0, 1), null);
        assertThat(ends).isEmpty();
        assertThat(scheduler.next().orElseThrow().fills())
                .containsExactly(new Serve.Fill(1, 2 * T, 3 * T - 1));
    }

    @Test
    void onlyPagesThatNobodyHoldsAreReadAgain() {
        Scheduler scheduler = new Scheduler(new PageDirectory(2, 10, 0), 100, 8 * T, 1, false);
        scheduler.ask(1, new Ask(new int[5 * T + 3], 9, Sampler.GREEDY, Set.of()), listener);
        scheduler.next();
        scheduler.restart(holding(new PageKey.Chain(), 0, 2), null);
        assertThat(scheduler.next().orElseThrow().fills())
                .containsExactly(new Serve.Fill(1, T, 2 * T));
        scheduler.made(new Made(0, 2, 0, List.of(), List.of(), 0.1));
        assertThat(scheduler.next().orElseThrow().fills())
                .containsExactly(new Serve.Fill(1, 3 * T, 5 * T + 3));
    }

    @Test
    void whoAsksAgainIsToldTheNextToken() {
        Scheduler scheduler = new Scheduler(new PageDirectory(2, 10, 0), 100, 8 * T, 1, false);
        Ask ask = new Ask(new int[] {1, 2}, 4, Sampler.GREEDY, Set.of());
        scheduler.ask(1, ask, new int[] {3, 4}, listener);
        Serve serve = scheduler.next().orElseThrow();
        assertThat(serve.joins().getFirst().ids()).containsExactly(1, 2, 3, 4);
        assertThat(serve.joins().getFirst().written()).isEqualTo(2);
        assertThat(serve.fills()).containsExactly(new Serve.Fill(1, 0, 4));
        scheduler.ask(2, ask, new int[] {3, 4, 5, 6}, listener);
        assertThat(ends).singleElement().asString().contains("4 tokens are written");
    }

    /**
     * A text that writes in steps of {@code alone}, and a prompt whose tokens take {@code each}:
     * what the steps took until it is read, but for one chunk, of what they would take alone.
     */
    private double besideReading(double alone, double each, boolean wholePages) {
        int prompt = 8 * T;
        Scheduler scheduler =
                new Scheduler(new PageDirectory(1, 2000, 0), 100, 4 * T, 1, wholePages);
        scheduler.ask(1, new Ask(new int[] {1}, 200_000, Sampler.GREEDY, Set.of()), listener);
        int read = 0;
        int index = 0;
        double seconds = 0;
        double longest = 0;
        long serve = 0;
        for (int step = 0; read < prompt; step++) {
            if (step == ALONE) {
                scheduler.ask(2, new Ask(new int[prompt], 0, Sampler.GREEDY, Set.of()), listener);
            }
            Serve next = scheduler.next().orElse(null);
            serve = next == null ? serve : next.number();
            List<Serve.Fill> fills = next == null ? List.of() : next.fills();
            int tokens = fills.stream().mapToInt(fill -> fill.to() - fill.from()).sum();
            double took = alone + each * tokens;
            if (step >= ALONE) {
                read += tokens;
                seconds += took;
                longest = Math.max(longest, each * tokens);
            }
            Made.Token token = new Made.Token(1, index++, 7, -1, List.of(), false);
            scheduler.made(new Made(0, serve, 5, List.of(token), List.of(), took));
        }
        assertThat(longest).isLessThanOrEqualTo(Math.max(0.15, each * (wholePages ? T : 16)));
        return (seconds - longest) / ((index - ALONE) * alone);
    }

    @ParameterizedTest
    @CsvSource({"0.04, 0.002", "0.001, 0.002", "0.001, 0.1", "0.2, 0.0001"})
    void whoWritesWaitsAtMostThreeTimesAsLongWhileOthersAreRead(double alone, double each) {
        assertThat(besideReading(alone, each, false)).isLessThanOrEqualTo(3);
        assertThat(besideReading(alone, each, true)).isLessThanOrEqualTo(3);
    }

    private static Serve.Fill readNext(Scheduler scheduler, int step) {
        Serve.Fill only = scheduler.next().orElseThrow().fills().getFirst();
        scheduler.made(new Made(0, step, 0, List.of(), List.of(), 0.1));
        return only;
    }

    /** Each step another short prompt comes: each is read next, but for every third one. */
    @Test
    void aShortPromptIsReadBeforeTheRestOfALongOneWhichIsNotForgotten() {
        Scheduler scheduler = new Scheduler(new PageDirectory(1, 100, 0), 100, 4 * T, 1, false);
        scheduler.ask(1, new Ask(new int[40 * T], 0, Sampler.GREEDY, Set.of()), listener);
        assertThat(readNext(scheduler, 1)).isEqualTo(new Serve.Fill(1, 0, 4 * T));
        int ofLong = 0;
        for (int step = 2; step < 14; step++) {
            scheduler.ask(step, new Ask(new int[T / 2], 0, Sampler.GREEDY, Set.of()), listener);
            Serve.Fill next = readNext(scheduler, step);
            ofLong += next.text() == 1 ? 1 : 0;
            assertThat(next.text()).isIn(1L, (long) step, step - 1L);
        }
        assertThat(ofLong).isEqualTo(4);
    }

    /**
     * However long a step of all that write takes, what is read beside them is no smaller for it.
     */
    @Test
    void manyShortPromptsAreReadInChunksOfTheirOwnTime() {
        Scheduler scheduler = new Scheduler(new PageDirectory(1, 200, 0), 100, 4 * T, 1, false);
        for (int text = 0; text < 24; text++) {
            scheduler.ask(text, new Ask(new int[T], 500, Sampler.GREEDY, Set.of()), listener);
        }
        int[] written = new int[24];
        int read = 0;
        int serve = 0;
        while (read < 24 * T) {
            Serve next = scheduler.next().orElseThrow();
            int tokens = next.fills().stream().mapToInt(f -> f.to() - f.from()).sum();
            assertThat(tokens).as("a chunk of 0.15 s").isGreaterThanOrEqualTo(64);
            List<Made.Token> made = new ArrayList<>();
            for (int text = 0; text < read / T; text++) {
                made.add(new Made.Token(text, written[text]++, 7, -1, List.of(), false));
            }
            read += tokens;
            double seconds = 0.002 * tokens + 0.01 * made.size();
            scheduler.made(new Made(0, ++serve, 5, made, List.of(), seconds));
        }
    }

    /**
     * One writes, others ask for something short all the time: the long one is read nevertheless.
     */
    @Test
    void aLongPromptIsReadBesideWritersAndShortOnes() {
        int prompt = 8 * T;
        Scheduler scheduler = new Scheduler(new PageDirectory(1, 4000, 0), 100, 4 * T, 1, false);
        scheduler.ask(1, new Ask(new int[] {1}, 400_000, Sampler.GREEDY, Set.of()), listener);
        int[] readOfLong = {0};
        long serve = 0;
        for (int step = 0; readOfLong[0] < prompt && step < 4000; step++) {
            if (step == ALONE) {
                scheduler.ask(2, new Ask(new int[prompt], 0, Sampler.GREEDY, Set.of()), listener);
            }
            if (step > ALONE) {
                long id = step + 10L;
                scheduler.ask(id, new Ask(new int[16], 0, Sampler.GREEDY, Set.of()), listener);
            }
            Serve next = scheduler.next().orElse(null);
            serve = next == null ? serve : next.number();
            List<Serve.Fill> fills = next == null ? List.of() : next.fills();
            fills.stream()
                    .filter(fill -> fill.text() == 2)
                    .forEach(fill -> readOfLong[0] += fill.to() - fill.from());
            int tokens = fills.stream().mapToInt(fill -> fill.to() - fill.from()).sum();
            Made.Token token = new Made.Token(1, step, 7, -1, List.of(), false);
            double took = 0.03 + 0.01 * tokens;
            scheduler.made(new Made(0, serve, 5, List.of(token), List.of(), took));
        }
        assertThat(readOfLong[0]).isEqualTo(prompt);
    }
}
