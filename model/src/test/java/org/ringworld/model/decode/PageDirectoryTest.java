package org.ringworld.model.decode;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.ringworld.model.attention.PageMemory;
import org.ringworld.model.decode.PageDirectory.Page;
import org.ringworld.model.decode.PageDirectory.Sequence;

class PageDirectoryTest {
    private static final int T = PageMemory.TOKENS;

    private static int[] ids(int from, int n) {
        return IntStream.range(from, from + n).toArray();
    }

    private static Sequence open(PageDirectory pages, int[] prompt, int most) {
        return pages.open(new PageKey.Chain(), prompt, most);
    }

    private static List<Integer> ranks(Sequence sequence) {
        return sequence.pages().stream().map(Page::rank).toList();
    }

    @Test
    void aShortSequenceLiesOnTheEmptiestRankAndALongOneOnAll() {
        PageDirectory pages = new PageDirectory(3, 10, 2 * T);
        Sequence first = open(pages, ids(0, 5), 2 * T);
        assertThat(ranks(first)).isEqualTo(List.of(0, 0));
        assertThat(ranks(open(pages, ids(10, 5), T))).isEqualTo(List.of(1));
        assertThat(ranks(open(pages, ids(20, 5), T))).isEqualTo(List.of(2));
        Sequence wide = open(pages, ids(30, 5), 6 * T + 1);
        assertThat(ranks(wide)).isEqualTo(List.of(1, 2, 0, 1, 2, 0, 1));
        pages.close(first);
        pages.close(wide);
        assertThat(pages.room()).isEqualTo(28);
    }

    @Test
    void whatNeverFitsIsRefusedWithWhatWould() {
        PageDirectory pages = new PageDirectory(2, 10, T);
        assertThatThrownBy(() -> open(pages, ids(0, 5), 41 * T))
                .isInstanceOf(PageDirectory.TooLongException.class)
                .hasMessageContaining("5248 tokens do not fit: there is room for 2560")
                .hasMessageContaining("3 more devices");
        Sequence all = open(pages, ids(0, 5), 20 * T);
        assertThat(open(pages, ids(0, 5), 1)).as("not now").isNull();
        pages.close(all);
        assertThat(open(pages, ids(0, 5), 1)).isNotNull();
    }

    @Test
    void whatBeginsAlikeIsComputedOnce() {
        PageDirectory pages = new PageDirectory(1, 10, T);
        int[] book = ids(0, 3 * T + 7);
        Sequence first = open(pages, book, 4 * T);
        assertThat(first.cached()).isZero();
        pages.filled(first, book, book.length);
        List<Page> read = first.pages().subList(0, 3);
        Sequence beside = open(pages, book, 4 * T);
        assertThat(beside.cached()).isEqualTo(3 * T);
        assertThat(beside.pages().subList(0, 3)).isEqualTo(read);
        pages.close(first);
        pages.close(beside);
        assertThat(pages.room()).isEqualTo(10);
        int[] other = book.clone();
        other[T] = -1;
        assertThat(open(pages, other, 2 * T).cached()).as("one page alike").isEqualTo(T);
        int[] whole = Arrays.copyOf(book, 2 * T);
        assertThat(open(pages, whole, 2 * T).cached()).as("the last token is asked").isEqualTo(T);
    }

    @Test
    void theLeastRecentlyUsedGoesFirstAndFromItsEnd() {
        PageDirectory pages = new PageDirectory(1, 6, T);
        for (int i = 0; i < 3; i++) {
            Sequence sequence = open(pages, ids(1000 * i, 2 * T), 2 * T);
            pages.filled(sequence, ids(1000 * i, 2 * T), 2 * T);
            pages.close(sequence);
        }
        // Used again, the first is the last to go.
        pages.close(open(pages, ids(0, 2 * T + 1), 2 * T));
        open(pages, ids(5000, 1), 3 * T);
        assertThat(open(pages, ids(0, 2 * T + 1), 2 * T).cached()).isEqualTo(2 * T);
        assertThat(open(pages, ids(2000, 2 * T + 1), T).cached()).isEqualTo(T);
    }

    /**
     * Sequences come and go in any order: none is given another's page, unless both hold the same
     * tokens there, and in the end all pages are there again.
     */
    @Test
    void noPageIsOfTwoWhoDiffer() {
        SplittableRandom random = new SplittableRandom(3);
        for (int run = 0; run < 200; run++) {
            int ranks = random.nextInt(1, 5);
            int pagesOfRank = random.nextInt(1, 12);
            PageDirectory pages = new PageDirectory(ranks, pagesOfRank, random.nextInt(0, 4) * T);
            Map<Sequence, int[]> open = new HashMap<>();
            Map<Sequence, Integer> filled = new HashMap<>();
            for (int step = 0; step < 100; step++) {
                List<Sequence> sequences = new ArrayList<>(open.keySet());
                int action = random.nextInt(3);
                if (action == 0 || sequences.isEmpty()) {
                    int length = random.nextInt(1, 6 * T);
                    int[] ids = new int[length];
                    // Few kinds of text, so that many begin alike.
                    Arrays.fill(ids, random.nextInt(2));
                    if (random.nextBoolean()) {
                        ids[random.nextInt(length)] = 7;
                    }
                    if (PageMemory.pages(length) > ranks * pagesOfRank) {
                        continue;
                    }
                    int room = pages.room();
                    Sequence sequence = open(pages, ids, length);
                    if (sequence == null) {
                        assertThat(pages.room()).isEqualTo(room);
                        continue;
                    }
                    open.put(sequence, ids);
                    filled.put(sequence, sequence.cached());
                } else {
                    Sequence sequence = sequences.get(random.nextInt(sequences.size()));
                    if (action == 1) {
                        int more = random.nextInt(1, open.get(sequence).length + 1);
                        int now = Math.max(filled.get(sequence), more);
                        pages.filled(sequence, open.get(sequence), now);
                        filled.put(sequence, now);
                    } else {
                        pages.close(sequence);
                        open.remove(sequence);
                    }
                }
                assertNoneIsOfTwoWhoDiffer(open);
            }
            open.keySet().forEach(pages::close);
            assertThat(pages.room()).isEqualTo(ranks * pagesOfRank);
        }
    }

    private static void assertNoneIsOfTwoWhoDiffer(Map<Sequence, int[]> open) {
        Map<Page, int[]> holds = new HashMap<>();
        open.forEach(
                (sequence, ids) -> {
                    assertThat(sequence.pages()).hasSize(PageMemory.pages(ids.length));
                    for (int i = 0; i < sequence.pages().size(); i++) {
                        int[] upTo = Arrays.copyOf(ids, Math.min(ids.length, (i + 1) * T));
                        int[] other = holds.putIfAbsent(sequence.pages().get(i), upTo);
                        if (other != null) {
                            assertThat(upTo).isEqualTo(other).hasSize((i + 1) * T);
                        }
                    }
                });
    }
}
