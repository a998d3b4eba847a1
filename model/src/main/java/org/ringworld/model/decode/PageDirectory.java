package org.ringworld.model.decode;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
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
 * stay after their sequences until room is needed, the least recently used going first. What ranks
 * hold when a ring is formed anew is found the same way, whatever is missing in between.
 *
 * <p>A full page may have a mirror on another rank, which takes its place when its own is lost.
 * Mirrors are given up where there is no other room.
 */
public final class PageDirectory {
    /** In place of a rank that has mirrors: none does. */
    public static final int NO_MIRROR = -1;

    private final int pagesOfRank;
    private final long mostPages;
    private final int shortPages;
    private final boolean fixed;
    private final int[] mirrorOf;
    private final List<LinkedHashSet<Integer>> free = new ArrayList<>();
    private final Map<PageKey, Shared> known = new HashMap<>();
    // Of each rank the known pages that no open sequence has, by number, least recently used first.
    private final List<LinkedHashMap<Integer, Shared>> idle = new ArrayList<>();
    // Of each rank the mirrors that lie there, oldest first.
    private final List<LinkedHashMap<Integer, Shared>> mirrors = new ArrayList<>();
    private final Deque<Shared> unmirrored = new ArrayDeque<>();

    /** A page of a rank's memory. */
    public record Page(int rank, int number) {}

    /** A full page that is to be copied to another rank; it holds these tokens from now on. */
    public record Mirror(PageKey key, int index, Page from, Page to) {}

    /** A full page that sequences may have in common; its users are counted. */
    private static final class Shared {
        final PageKey key;
        final int index;
        final Page page;
        Page mirror;
        int users;

        Shared(PageKey key, int index, Page page) {
            this.key = key;
            this.index = index;
            this.page = page;
        }
    }

    /** The pages of one open sequence. */
    public static final class Sequence {
        private final PageKey.Chain keys;
        private final Page[] pages;
        private final Shared[] full;
        private final BitSet held = new BitSet();
        private int shared;

        private Sequence(PageKey.Chain keys, int pages) {
            this.keys = keys;
            this.pages = new Page[pages];
            this.full = new Shared[pages];
        }

        /** That hold its positions, {@link PageMemory#TOKENS} each, in order. */
        public List<Page> pages() {
            return Arrays.asList(pages);
        }

        /** By index, those whose keys and values were there when it was opened. */
        public BitSet held() {
            return (BitSet) held.clone();
        }

        /** Tokens whose keys and values were. */
        public int cached() {
            return held.cardinality() * PageMemory.TOKENS;
        }

        /** The first position, from this one on, whose keys and values were not. */
        int missing(int position) {
            int page = position / PageMemory.TOKENS;
            return held.get(page) ? held.nextClearBit(page) * PageMemory.TOKENS : position;
        }

        /** Where the missing ones end that this position is among, as far as is known. */
        int missingEnd(int position) {
            int next = held.nextSetBit(position / PageMemory.TOKENS);
            return next < 0 ? Integer.MAX_VALUE : next * PageMemory.TOKENS;
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
        this(unmirrored(ranks), pagesOfRank, Long.MAX_VALUE, shortTokens, false);
    }

    /** In place of the ranks that have mirrors: none does. */
    public static int[] unmirrored(int ranks) {
        int[] none = new int[ranks];
        Arrays.fill(none, NO_MIRROR);
        return none;
    }

    /**
     * @param mirrorOf of each rank the one that has its mirrors; −1: none
     * @param mostPages that open sequences have at most, all together
     * @param fixed whether page i of every sequence lies on rank i modulo all
     */
    public PageDirectory(
            int[] mirrorOf, int pagesOfRank, long mostPages, int shortTokens, boolean fixed) {
        this.mostPages = mostPages;
        this.mirrorOf = mirrorOf;
        this.fixed = fixed;
        this.pagesOfRank = pagesOfRank;
        this.shortPages = PageMemory.pages(shortTokens);
        for (int rank = 0; rank < mirrorOf.length; rank++) {
            free.add(new LinkedHashSet<>(IntStream.range(0, pagesOfRank).boxed().toList()));
            idle.add(new LinkedHashMap<>());
            mirrors.add(new LinkedHashMap<>());
        }
    }

    private int ranks() {
        return mirrorOf.length;
    }

    /** Pages that open sequences have at most; where there are mirrors, the others are theirs. */
    private long most() {
        return Math.min(mostPages, (long) ranks() * pagesOfRank);
    }

    // ---- what ranks hold already

    /** A rank's page holds this; told before anything is opened. */
    public void holds(int rank, HeldPage held) {
        Page page = new Page(rank, held.number());
        Shared same = known.get(held.key());
        if (same == null) {
            free.get(rank).remove(held.number());
            Shared shared = new Shared(held.key(), held.index(), page);
            known.put(held.key(), shared);
            idle.get(rank).put(held.number(), shared);
        } else if (same.mirror == null && mirrorOf[same.page.rank] == rank) {
            free.get(rank).remove(held.number());
            same.mirror = page;
            mirrors.get(rank).put(held.number(), same);
        }
    }

    // ---- sequences

    /**
     * Pages for a sequence.
     *
     * @param keys of its full pages
     * @param prompt its first tokens, at least one, of which the last is not taken from elsewhere
     * @param most tokens that it may come to have, the prompt among them
     * @return null where there is no room as long as the others are there
     * @throws TooLongException where there never is
     */
    public Sequence open(PageKey.Chain keys, int[] prompt, int most) {
        checkFits(most);
        Sequence sequence = new Sequence(keys, PageMemory.pages(most));
        // The last token is always computed: what follows is asked of it.
        for (int i = 0; i < (prompt.length - 1) / PageMemory.TOKENS; i++) {
            Shared shared = known.get(keys.of(prompt, i));
            if (shared != null && (!fixed || shared.page.rank == i % ranks())) {
                use(shared);
                sequence.full[i] = shared;
                sequence.pages[i] = shared.page;
                sequence.held.set(i);
            }
        }
        if (!place(sequence)) {
            leaveAll(sequence);
            return null;
        }
        Arrays.stream(sequence.full).filter(Objects::nonNull).forEach(this::wantMirror);
        return sequence;
    }

    /**
     * @param most tokens that a sequence may come to have
     * @throws TooLongException where there never is room for it
     */
    public void checkFits(long most) {
        int needed = Math.toIntExact(Math.ceilDiv(most, PageMemory.TOKENS));
        if (needed > most()) {
            throw new TooLongException(
                    "%d tokens do not fit: there is room for %d, and %d more devices like these would be needed"
                            .formatted(
                                    most,
                                    most() * PageMemory.TOKENS,
                                    Math.ceilDiv((long) needed * ranks(), most()) - ranks()));
        }
    }

    /** Likewise of two that are open at once. */
    public void checkFit(int most, int other) {
        checkFits((long) (PageMemory.pages(most) + PageMemory.pages(other)) * PageMemory.TOKENS);
    }

    /** Gives a sequence the pages that it lacks; false, and none, where there is no room. */
    private boolean place(Sequence sequence) {
        int[] missing =
                IntStream.range(0, sequence.pages.length)
                        .filter(i -> sequence.pages[i] == null)
                        .toArray();
        if (fixed) {
            return placeFixed(sequence, missing);
        }
        Page first = sequence.pages[0];
        int home = first == null ? roomiest() : first.rank;
        boolean isShort = sequence.pages.length <= shortPages && room(home) >= missing.length;
        long used = (long) ranks() * pagesOfRank - room();
        if (used + missing.length > most()) {
            return false;
        }
        for (int i : missing) {
            int rank = i == 0 || isShort ? home : (sequence.pages[i - 1].rank + 1) % ranks();
            sequence.pages[i] = take(room(rank) == 0 ? roomiest() : rank);
        }
        return true;
    }

    private boolean placeFixed(Sequence sequence, int[] missing) {
        int[] needed = new int[ranks()];
        for (int i : missing) {
            if (++needed[i % ranks()] > room(i % ranks())) {
                return false;
            }
        }
        for (int i : missing) {
            sequence.pages[i] = take(i % ranks());
        }
        return true;
    }

    /** Pages that a rank can give: free ones, those that nobody uses at present, and mirrors. */
    private int room(int rank) {
        return free.get(rank).size() + idle.get(rank).size() + mirrors.get(rank).size();
    }

    private int roomiest() {
        int best = 0;
        for (int rank = 1; rank < ranks(); rank++) {
            best = room(rank) > room(best) ? rank : best;
        }
        return best;
    }

    private Page take(int rank) {
        Integer unused = takeUnused(rank);
        if (unused != null) {
            return new Page(rank, unused);
        }
        Shared oldest = mirrors.get(rank).pollFirstEntry().getValue();
        Page mirror = oldest.mirror;
        oldest.mirror = null;
        return mirror;
    }

    /** A page that no open sequence has any good of; null where there is none. */
    private Integer takeUnused(int rank) {
        if (!free.get(rank).isEmpty()) {
            return free.get(rank).removeFirst();
        }
        Map.Entry<Integer, Shared> oldest = idle.get(rank).pollFirstEntry();
        if (oldest == null) {
            return null;
        }
        forget(oldest.getValue());
        return oldest.getKey();
    }

    private void forget(Shared shared) {
        known.remove(shared.key);
        if (shared.mirror != null) {
            mirrors.get(shared.mirror.rank).remove(shared.mirror.number);
            release(shared.mirror);
        }
    }

    /**
     * Keys and values of a sequence's first {@code length} tokens are there: its full pages may be
     * shared from now on.
     */
    public void filled(Sequence sequence, int[] ids, int length) {
        for (; (sequence.shared + 1) * PageMemory.TOKENS <= length; sequence.shared++) {
            int i = sequence.shared;
            if (sequence.full[i] != null) {
                continue;
            }
            Shared shared = new Shared(sequence.keys.of(ids, i), i, sequence.pages[i]);
            shared.users = 1;
            sequence.full[i] = shared;
            // Where two computed the same at once, one stays known.
            if (known.putIfAbsent(shared.key, shared) == null) {
                wantMirror(shared);
            }
        }
    }

    /** Gives a sequence's pages back. */
    public void close(Sequence sequence) {
        for (int i = 0; i < sequence.pages.length; i++) {
            if (sequence.full[i] == null) {
                release(sequence.pages[i]);
            }
        }
        leaveAll(sequence);
    }

    /** From its end: what came first is what other sequences begin with. */
    private void leaveAll(Sequence sequence) {
        for (int i = sequence.full.length - 1; i >= 0; i--) {
            if (sequence.full[i] != null) {
                leave(sequence.full[i]);
            }
        }
    }

    private void use(Shared shared) {
        shared.users++;
        idle.get(shared.page.rank).remove(shared.page.number);
    }

    private void leave(Shared shared) {
        if (--shared.users > 0) {
            return;
        }
        if (known.get(shared.key) == shared) {
            idle.get(shared.page.rank).put(shared.page.number, shared);
        } else {
            release(shared.page);
        }
    }

    private void release(Page page) {
        free.get(page.rank).add(page.number);
    }

    // ---- mirrors

    private void wantMirror(Shared shared) {
        if (shared.mirror == null && mirrorOf[shared.page.rank] != NO_MIRROR) {
            unmirrored.add(shared);
        }
    }

    /** Full pages that have no mirror yet and get one now, at most so many. */
    public List<Mirror> mirrors(int most) {
        List<Mirror> some = new ArrayList<>();
        while (some.size() < most && !unmirrored.isEmpty()) {
            Shared shared = unmirrored.remove();
            if (shared.mirror != null || known.get(shared.key) != shared) {
                continue;
            }
            int rank = mirrorOf[shared.page.rank];
            Integer number = takeUnused(rank);
            // Taking it may have cost the very page that it was for.
            if (number != null && known.get(shared.key) == shared) {
                shared.mirror = new Page(rank, number);
                mirrors.get(rank).put(number, shared);
                some.add(new Mirror(shared.key, shared.index, shared.page, shared.mirror));
            } else if (number != null) {
                free.get(rank).add(number);
            }
        }
        return some;
    }

    /** What each rank's pages are used for. */
    public List<Load.Rank> load() {
        return IntStream.range(0, ranks())
                .mapToObj(
                        rank ->
                                new Load.Rank(
                                        "",
                                        pagesOfRank,
                                        pagesOfRank - room(rank),
                                        idle.get(rank).size() + mirrors.get(rank).size()))
                .toList();
    }

    /** Pages that are not of any open sequence, known ones and mirrors among them. */
    public int room() {
        return IntStream.range(0, ranks()).map(this::room).sum();
    }
}
