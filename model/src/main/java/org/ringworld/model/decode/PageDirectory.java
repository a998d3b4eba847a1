package org.ringworld.model.decode;

import java.nio.IntBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.ringworld.model.attention.PageMemory;

/**
 * Which pages of a ring's ranks hold the tokens of which sequences: decisions alone, the memory is
 * {@link PageMemory}'s. A sequence gets all pages that it may come to need when it is opened, so
 * that none runs out on its way.
 *
 * <p>Width is placement: a short sequence lies on the rank with the most room, a long one goes
 * around all ranks page by page. Full pages are found again by the tokens in and before them
 * (SGLang's RadixAttention, Zheng et al. 2023): sequences that begin alike share them, and they
 * stay after their sequences until room is needed, the least recently used going first.
 */
public final class PageDirectory {
    private final int pagesOfRank;
    private final int shortPages;
    private final boolean fixed;
    private final List<Deque<Integer>> free = new ArrayList<>();
    private final Map<Chain, Shared> known = new HashMap<>();
    // Of each rank the known pages that no open sequence has, by number, least recently used first.
    private final List<LinkedHashMap<Integer, Shared>> idle = new ArrayList<>();
    private long made;

    /** A page of a rank's memory. */
    public record Page(int rank, int number) {}

    /**
     * What a full page holds.
     *
     * @param before the serial of the page before it; 0: it is the first
     * @param ids of its tokens
     */
    private record Chain(long before, IntBuffer ids) {}

    /** A full page that sequences may have in common; its users are counted. */
    private static final class Shared {
        final Page page;
        final Chain chain;
        final long serial;
        int users = 1;

        Shared(Page page, Chain chain, long serial) {
            this.page = page;
            this.chain = chain;
            this.serial = serial;
        }
    }

    /** The pages of one open sequence. */
    public static final class Sequence {
        private final List<Page> pages = new ArrayList<>();
        private final List<Shared> full = new ArrayList<>();
        private final int cached;

        private Sequence(int cached) {
            this.cached = cached;
        }

        /** That hold its positions, {@link PageMemory#TOKENS} each, in order. */
        public List<Page> pages() {
            return List.copyOf(pages);
        }

        /** Tokens of the prompt whose keys and values are there already. */
        public int cached() {
            return cached;
        }
    }

    /** A sequence that does not fit, whoever else is there; its message says what would. */
    public static final class TooLongException extends IllegalArgumentException {
        private static final long serialVersionUID = 1;

        TooLongException(String sentence) {
            super(sentence);
        }
    }

    /**
     * @param ranks of the ring
     * @param pagesOfRank pages that each has
     * @param shortTokens up to so many tokens a sequence lies on one rank, if it fits there
     */
    public PageDirectory(int ranks, int pagesOfRank, int shortTokens) {
        this(ranks, pagesOfRank, shortTokens, false);
    }

    /** One where page i of every sequence lies on rank i modulo all, whoever else is there. */
    public static PageDirectory fixed(int ranks, int pagesOfRank) {
        return new PageDirectory(ranks, pagesOfRank, 0, true);
    }

    private PageDirectory(int ranks, int pagesOfRank, int shortTokens, boolean fixed) {
        this.fixed = fixed;
        this.pagesOfRank = pagesOfRank;
        this.shortPages = PageMemory.pages(shortTokens);
        for (int rank = 0; rank < ranks; rank++) {
            free.add(new ArrayDeque<>(IntStream.range(0, pagesOfRank).boxed().toList()));
            idle.add(new LinkedHashMap<>());
        }
    }

    /**
     * Pages for a sequence.
     *
     * @param prompt its first tokens, at least one, of which the last is not taken from elsewhere
     * @param most tokens that it may come to have, the prompt among them
     * @return null where there is no room as long as the others are there
     * @throws TooLongException where there never is
     */
    public Sequence open(int[] prompt, int most) {
        checkFits(most);
        int needed = PageMemory.pages(most);
        // The last token is always computed: what follows is asked of it.
        List<Shared> prefix = prefix(prompt, (prompt.length - 1) / PageMemory.TOKENS);
        prefix.forEach(this::use);
        List<Page> own = place(prefix, needed - prefix.size());
        if (own == null) {
            prefix.reversed().forEach(this::leave);
            return null;
        }
        Sequence sequence = new Sequence(prefix.size() * PageMemory.TOKENS);
        sequence.full.addAll(prefix);
        prefix.forEach(shared -> sequence.pages.add(shared.page));
        sequence.pages.addAll(own);
        return sequence;
    }

    /**
     * @param most tokens that a sequence may come to have
     * @throws TooLongException where there never is room for it
     */
    public void checkFits(long most) {
        int needed = Math.toIntExact(Math.ceilDiv(most, PageMemory.TOKENS));
        if (needed > (long) free.size() * pagesOfRank) {
            throw new TooLongException(
                    "%d tokens do not fit: there is room for %d, and %d more devices like these would be needed"
                            .formatted(
                                    most,
                                    (long) free.size() * pagesOfRank * PageMemory.TOKENS,
                                    Math.ceilDiv(needed, pagesOfRank) - free.size()));
        }
    }

    /** Likewise of two that are open at once. */
    public void checkFit(int most, int other) {
        checkFits((long) (PageMemory.pages(most) + PageMemory.pages(other)) * PageMemory.TOKENS);
    }

    /** Full pages that hold how a prompt begins, as many as there are. */
    private List<Shared> prefix(int[] prompt, int most) {
        List<Shared> prefix = new ArrayList<>();
        long before = 0;
        while (prefix.size() < most) {
            Shared next = known.get(chain(before, prompt, prefix.size()));
            if (next == null) {
                break;
            }
            prefix.add(next);
            before = next.serial;
        }
        return prefix;
    }

    private static Chain chain(long before, int[] ids, int page) {
        int from = page * PageMemory.TOKENS;
        return new Chain(before, IntBuffer.wrap(ids, from, PageMemory.TOKENS).slice());
    }

    private List<Page> place(List<Shared> prefix, int count) {
        int all = prefix.size() + count;
        if (fixed) {
            return placeFixed(prefix.size(), all);
        }
        List<Page> own = new ArrayList<>();
        int home = prefix.isEmpty() ? roomiest() : prefix.getFirst().page.rank;
        if (all <= shortPages && room(home) >= count) {
            for (int i = 0; i < count; i++) {
                own.add(take(home));
            }
            return own;
        }
        if (room() < count) {
            return null;
        }
        int rank = prefix.isEmpty() ? home : prefix.getLast().page.rank + 1;
        for (int i = 0; i < count; i++) {
            rank %= free.size();
            if (room(rank) == 0) {
                rank = roomiest();
            }
            own.add(take(rank++));
        }
        return own;
    }

    private List<Page> placeFixed(int from, int end) {
        int ranks = free.size();
        int[] needed = new int[ranks];
        for (int i = from; i < end; i++) {
            if (++needed[i % ranks] > room(i % ranks)) {
                return null;
            }
        }
        return IntStream.range(from, end).mapToObj(i -> take(i % ranks)).toList();
    }

    /** Pages that a rank can give: free ones, and those that nobody uses at present. */
    private int room(int rank) {
        return free.get(rank).size() + idle.get(rank).size();
    }

    private int roomiest() {
        int best = 0;
        for (int rank = 1; rank < free.size(); rank++) {
            best = room(rank) > room(best) ? rank : best;
        }
        return best;
    }

    private Page take(int rank) {
        Integer number = free.get(rank).poll();
        if (number != null) {
            return new Page(rank, number);
        }
        Shared oldest = idle.get(rank).pollFirstEntry().getValue();
        known.remove(oldest.chain);
        return oldest.page;
    }

    /**
     * Keys and values of a sequence's first {@code length} tokens are there: its full pages may be
     * shared from now on.
     */
    public void filled(Sequence sequence, int[] ids, int length) {
        while ((sequence.full.size() + 1) * PageMemory.TOKENS <= length) {
            int i = sequence.full.size();
            long before = i == 0 ? 0 : sequence.full.get(i - 1).serial;
            int from = i * PageMemory.TOKENS;
            Chain chain = chain(before, Arrays.copyOfRange(ids, from, from + PageMemory.TOKENS), 0);
            // Where two computed the same at once, one stays known; what follows is of both.
            Shared same = known.get(chain);
            long serial = same == null ? ++made : same.serial;
            Shared shared = new Shared(sequence.pages.get(i), chain, serial);
            known.putIfAbsent(chain, shared);
            sequence.full.add(shared);
        }
    }

    /** Gives a sequence's pages back. */
    public void close(Sequence sequence) {
        for (int i = sequence.full.size(); i < sequence.pages.size(); i++) {
            release(sequence.pages.get(i));
        }
        // From its end: what came first is what other sequences begin with.
        sequence.full.reversed().forEach(this::leave);
        sequence.full.clear();
        sequence.pages.clear();
    }

    private void use(Shared shared) {
        shared.users++;
        idle.get(shared.page.rank).remove(shared.page.number);
    }

    private void leave(Shared shared) {
        if (--shared.users > 0) {
            return;
        }
        if (known.get(shared.chain) == shared) {
            idle.get(shared.page.rank).put(shared.page.number, shared);
        } else {
            release(shared.page);
        }
    }

    private void release(Page page) {
        free.get(page.rank).add(page.number);
    }

    /** Pages of each rank; which devices these are is not known here. */
    List<Load.Rank> ranks() {
        return IntStream.range(0, free.size())
                .mapToObj(
                        rank ->
                                new Load.Rank(
                                        "",
                                        pagesOfRank,
                                        pagesOfRank - room(rank),
                                        idle.get(rank).size()))
                .toList();
    }

    /** Pages that are not of any open sequence, known ones among them. */
    public int room() {
        return IntStream.range(0, free.size()).map(this::room).sum();
    }
}
