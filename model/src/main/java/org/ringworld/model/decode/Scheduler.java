package org.ringworld.model.decode;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.ringworld.model.attention.PageMemory;
import org.ringworld.model.attention.SequencePages;

/**
 * Which texts are computed when (continuous batching: Orca, Yu et al. 2022; chunked prefill:
 * Sarathi-Serve, Agrawal et al. 2024): decisions alone. Texts come in the order in which they were
 * asked, as soon as there are pages for them; prompts are read in chunks, the shortest first,
 * between which the others get their tokens.
 */
public final class Scheduler {
    /** Steps that ranks may go on without a word. */
    private static final int AHEAD = 8;

    /** Texts that are computed at once, both streams of a guided one counted. */
    public static final int TEXTS = 32;

    /** Pages that are copied to other ranks in a step. */
    private static final int MIRRORS = 8;

    /** The longest that a chunk may take while others wait for their tokens. */
    private static final double CHUNK_SECONDS = 0.15;

    /** The longest that a chunk may take where nobody waits: whoever comes then waits for it. */
    private static final double LONE_CHUNK_SECONDS = 1;

    /** Tokens that a chunk has at least while others wait, and a multiple of them. */
    private static final int LEAST_CHUNK = 16;

    /** Steps in which the oldest prompt may be passed over. */
    private static final int PASSED_OVER = 2;

    /** So many times as long as alone others may wait for their tokens beside a long prompt. */
    private static final int SLOWER = 3;

    private PageDirectory directory;
    private final int tokens;
    private final int chunk;
    private final int inFlight;
    private final boolean wholePages;
    private final Deque<AskedText> waiting = new ArrayDeque<>();
    private final Map<Long, AskedText> going = new LinkedHashMap<>();
    private final List<Long> leaves = new ArrayList<>();
    // Told and not yet done, oldest first.
    private final Deque<Serve> told = new ArrayDeque<>();
    private final List<AskedText> joins = new ArrayList<>();
    private long number;
    private int left;
    private long recoveredPages;
    private long recomputedTokens;
    private double tokensPerSecond = 0;
    // How much longer than its part a long prompt took, since others wait for tokens.
    private double secondsAhead;
    private double secondsOfWriting;
    private long wroteThen;
    private int passedOver;
    private long read;
    private long written;

    /** What came of a text. */
    public interface Listener {
        void begins(int cachedTokens);

        /** So many tokens of the prompt have been read, those that were cached among them. */
        default void read(int tokens) {}

        void token(Made.Token token);

        void scored(Made.Scores scores);

        /**
         * It is over.
         *
         * @param fault why it cannot be answered; null: it was
         */
        void ended(String fault);
    }

    /**
     * @param tokens of the model, of both modalities
     * @param chunk tokens that are read at a time where nobody waits, a multiple of a page
     * @param inFlight how many words ranks may have before them: 1 where they are told at once
     * @param wholePages whether a page is read at once, whoever else reads
     */
    public Scheduler(
            PageDirectory directory, int tokens, int chunk, int inFlight, boolean wholePages) {
        this.wholePages = wholePages;
        this.directory = directory;
        this.tokens = tokens;
        this.chunk = chunk;
        this.inFlight = inFlight;
    }

    /** Somebody asks; what is wrong with it is told at once. */
    public void ask(long id, Ask ask, Listener listener) {
        ask(id, ask, new int[0], listener);
    }

    /**
     * Somebody asks again, who knows how the text goes on: the next token is the one after those.
     *
     * @param written fewer than are asked for
     */
    public void ask(long id, Ask ask, int[] written, Listener listener) {
        String fault = fault(ask);
        if (fault == null) {
            fault = idFault(written);
        }
        if (fault == null && written.length > 0 && written.length >= ask.most()) {
            fault =
                    "%d tokens are written and %d were asked for"
                            .formatted(written.length, ask.most());
        }
        if (fault == null) {
            waiting.add(new AskedText(id, ask, written, listener));
        } else {
            listener.ended(fault);
        }
    }

    private String fault(Ask ask) {
        if (ask.prompt().length == 0) {
            return "there is nothing to read: the prompt is empty";
        }
        if (ask.most() < 0 || (long) ask.prompt().length + ask.most() > Integer.MAX_VALUE) {
            return "%d tokens and %d more are no length of a text"
                    .formatted(ask.prompt().length, ask.most());
        }
        if (ask.guidance() != null) {
            String fault = fault(ask.unguided());
            if (fault != null) {
                return fault;
            }
        }
        String fault = idFault(ask.prompt());
        return fault == null ? roomFault(ask) : fault;
    }

    private String idFault(int[] ids) {
        for (int id : ids) {
            if (id < 0 || id >= tokens) {
                return "the prompt has token %d, the model's are 0 to %d".formatted(id, tokens - 1);
            }
        }
        return null;
    }

    private String roomFault(Ask ask) {
        try {
            directory.checkFits(ask.longest());
            if (ask.guidance() != null) {
                directory.checkFit(ask.longest(), ask.unguided().longest());
            }
        } catch (PageDirectory.TooLongException e) {
            return e.getMessage();
        }
        return null;
    }

    /** Nobody waits for it any more. */
    public void cancel(long id) {
        waiting.removeIf(text -> text.id == id);
        end(going.get(id), null, false);
    }

    private void end(AskedText text, String fault, boolean tell) {
        if (text == null) {
            return;
        }
        going.remove(text.id);
        if (!joins.remove(text)) {
            leaves.add(text.id);
        }
        directory.close(text.place);
        if (text.guide != null) {
            end(text.guide, null, false);
        }
        if (tell) {
            text.listener.ended(fault);
        }
    }

    /** Whether nobody waits for anything. */
    public boolean isIdle() {
        return waiting.isEmpty() && going.isEmpty();
    }

    /** What there is to do. */
    public Load load() {
        long texts = going.values().stream().filter(text -> text.listener != null).count();
        return new Load(
                0,
                (int) texts,
                waiting.size(),
                directory.load(),
                read,
                written,
                recoveredPages,
                recomputedTokens);
    }

    /** What the ranks are to be told now, if anything. */
    public Optional<Serve> next() {
        if (told.size() >= inFlight) {
            return Optional.empty();
        }
        admit();
        List<Serve.Fill> fills = fills();
        boolean decodes = writing() > 0;
        List<PageDirectory.Mirror> mirrors = directory.mirrors(MIRRORS);
        boolean news =
                !joins.isEmpty() || !leaves.isEmpty() || !fills.isEmpty() || !mirrors.isEmpty();
        if (!news && !(decodes && told.isEmpty() && left <= AHEAD / 2)) {
            return Optional.empty();
        }
        Serve serve =
                new Serve(
                        ++number,
                        joins.stream().map(this::join).toList(),
                        List.copyOf(leaves),
                        fills,
                        mirrors,
                        AHEAD);
        joins.clear();
        leaves.clear();
        told.add(serve);
        return Optional.of(serve);
    }

    private void admit() {
        while (!waiting.isEmpty() && going.size() + 2 <= TEXTS) {
            AskedText text = waiting.peek();
            PageDirectory.Sequence place = open(text);
            if (place == null) {
                return;
            }
            PageDirectory.Sequence other = text.guide == null ? null : open(text.guide);
            if (text.guide != null && other == null) {
                directory.close(place);
                return;
            }
            waiting.remove();
            if (text.wasRead > 0) {
                recoveredPages += place.held().cardinality();
                recomputedTokens += Math.max(0, text.wasRead - place.cached());
            }
            begin(text, place);
            if (other != null) {
                begin(text.guide, other);
            }
            if (!text.hasBegun) {
                text.hasBegun = true;
                text.listener.begins(place.cached());
            }
        }
    }

    private PageDirectory.Sequence open(AskedText text) {
        return directory.open(text.keys, text.begin(), text.ask.longest());
    }

    private void begin(AskedText text, PageDirectory.Sequence place) {
        text.joins(place);
        going.put(text.id, text);
        joins.add(text);
    }

    private Serve.Join join(AskedText text) {
        List<PageDirectory.Page> pages = text.place.pages();
        return new Serve.Join(
                text.id,
                Arrays.copyOf(text.ids, text.length),
                new SequencePages(
                        pages.stream().mapToInt(PageDirectory.Page::rank).toArray(),
                        pages.stream().mapToInt(PageDirectory.Page::number).toArray()),
                text.place.held(),
                text.written(),
                text.guide == null ? 0 : text.guide.id,
                text.ask);
    }

    /**
     * What is read next, up to a chunk's tokens: who lacks the fewest comes first, and none is
     * begun that would only make the others of its step wait. The oldest comes first at every third
     * step.
     */
    private List<Serve.Fill> fills() {
        List<Serve.Fill> fills = new ArrayList<>();
        boolean somebodyWaits = writing() > 0;
        secondsAhead = somebodyWaits ? secondsAhead : 0;
        List<AskedText> order = new ArrayList<>();
        for (AskedText text : going.values()) {
            boolean itsTurn = secondsAhead == 0 || !isLong(text);
            if (text.listener != null && text.unread() > 0 && itsTurn) {
                order.add(text);
            }
        }
        if (order.isEmpty()) {
            return fills;
        }
        AskedText oldest = order.getFirst();
        order.sort(Comparator.comparingInt(AskedText::unread));
        if (passedOver >= PASSED_OVER) {
            order.remove(oldest);
            order.addFirst(oldest);
        }
        int room = somebodyWaits ? roomBesideOthers() : loneRoom();
        for (AskedText text : order) {
            if (!fills.isEmpty() && text.unread() > room) {
                break;
            }
            room = fill(text, room, fills);
        }
        boolean passes = fills.stream().noneMatch(fill -> Math.abs(fill.text()) == oldest.id);
        passedOver = passes ? passedOver + 1 : 0;
        return fills;
    }

    /** Texts that have a token more with each step. */
    private long writing() {
        return going.values().stream().filter(AskedText::isRead).count();
    }

    /** Whether others are to have their tokens meanwhile as if it were not there, nearly. */
    private boolean isLong(AskedText text) {
        return text.lacked + (text.guide == null ? 0 : text.guide.lacked) > chunk;
    }

    /** Reads a text, and its guide, as far as there is room. */
    private int fill(AskedText text, int most, List<Serve.Fill> fills) {
        AskedText guide = text.guide;
        if (guide == null) {
            return fill(text, text.reads, most, fills);
        }
        // The last tokens of two streams are read at once, so that both have logits then.
        int room = fill(text, text.reads - 1, most, fills);
        room = fill(guide, guide.reads - 1, room, fills);
        boolean bothWait = text.toldTo == text.reads - 1 && guide.toldTo == guide.reads - 1;
        if (bothWait && room >= 2) {
            room = fill(text, text.reads, room, fills);
            room = fill(guide, guide.reads, room, fills);
        }
        return room;
    }

    /** Reads a text as far as there is room, up to a page's border if not to the end. */
    private int fill(AskedText text, int end, int room, List<Serve.Fill> fills) {
        if (room <= 0 || text.toldTo >= end) {
            return room;
        }
        int most = Math.min(end, text.place.missingEnd(text.toldTo));
        int to = Math.min(most, text.toldTo + room);
        int border = to / PageMemory.TOKENS * PageMemory.TOKENS;
        to = to < most && border > text.toldTo ? border : to;
        if (wholePages && to < most && to % PageMemory.TOKENS > 0) {
            return 0; // it comes next
        }
        fills.add(new Serve.Fill(text.id, text.toldTo, to));
        int left = room - (to - text.toldTo);
        text.toldTo = text.place.missing(to);
        return left;
    }

    /** Tokens that are read where nobody waits for others. */
    private int loneRoom() {
        double most = tokensPerSecond == 0 ? chunk : tokensPerSecond * LONE_CHUNK_SECONDS;
        int pages = (int) (Math.min(chunk, most) / PageMemory.TOKENS);
        return Math.max(1, pages) * PageMemory.TOKENS;
    }

    /** Tokens that are read while others wait for theirs. */
    private int roomBesideOthers() {
        int least = wholePages ? PageMemory.TOKENS : LEAST_CHUNK;
        int most = (int) Math.min(chunk, tokensPerSecond * CHUNK_SECONDS);
        return Math.max(least, most / least * least);
    }

    /** How long others waited for a step in which something long was read, or nothing. */
    private void waited(List<Serve.Fill> fills, double seconds) {
        boolean ofLong =
                fills.stream()
                        .map(fill -> going.get(fill.text()))
                        .anyMatch(text -> text != null && isLong(text));
        if (ofLong) {
            secondsAhead += seconds - SLOWER * secondsOfWriting;
        } else if (fills.isEmpty()) {
            secondsOfWriting = seconds;
            wroteThen = writing();
            secondsAhead -= (SLOWER - 1) * seconds;
        } else {
            // Short prompts cost a long one nothing but their time.
            double writing = secondsOfWriting == 0 ? seconds : secondsOfWriting;
            secondsAhead -= (SLOWER - 1) * Math.min(seconds, writing);
        }
        secondsAhead = Math.max(0, secondsAhead);
    }

    /** A rank tells of a step. */
    public void made(Made made) {
        for (Made.Scores scores : made.scores()) {
            AskedText text = going.get(scores.text());
            if (text != null) {
                text.listener.scored(scores);
                text.scored.set(scores.from(), scores.from() + scores.logprobs().length);
                endIfOver(text);
            }
        }
        if (made.rank() > 0) {
            return;
        }
        left = made.left();
        List<Serve.Fill> fills = new ArrayList<>();
        while (!told.isEmpty() && told.peek().number() <= made.serve()) {
            fills.addAll(told.remove().fills());
        }
        waited(fills, made.seconds());
        filled(fills, made.seconds());
        made.tokens().forEach(this::written);
    }

    private void filled(List<Serve.Fill> fills, double seconds) {
        // What others had of the step is not its own, as far as that is known.
        long writing = writing();
        int tokens = 0;
        for (Serve.Fill fill : fills) {
            tokens += fill.to() - fill.from();
            AskedText text = going.get(fill.text());
            if (text == null) {
                continue;
            }
            text.filled = text.place.missing(fill.to());
            directory.filled(text.place, text.ids, text.filled);
            if (text.listener != null) {
                text.listener.read(Math.min(text.filled, text.ask.prompt().length));
            }
            text.isOver = text.isRead() && text.ask.most() == 0;
            endIfOver(text);
        }
        read += tokens;
        double own = seconds - (writing == 0 ? 0 : secondsOfWriting);
        if (tokens > 0 && writing <= wroteThen && own > 0) {
            tokensPerSecond = tokens / own;
        }
    }

    private void written(Made.Token token) {
        AskedText text = going.get(token.text());
        if (text == null || text.listener == null || token.index() != text.written()) {
            return;
        }
        written++;
        text.append(token.id());
        directory.filled(text.place, text.ids, text.filled);
        if (text.guide != null) {
            text.guide.append(token.id());
            directory.filled(text.guide.place, text.guide.ids, text.guide.filled);
        }
        text.listener.token(token);
        text.isOver = token.last();
        endIfOver(text);
    }

    /** What ranks tell of a prompt may come later than the rest. */
    private void endIfOver(AskedText text) {
        if (text.isOver && text.listener != null && text.isScored()) {
            end(text, null, true);
        }
    }

    /**
     * The ranks are others, or have forgotten everything but their pages: all texts are asked for
     * anew, and go on from what is found there.
     *
     * @param pages of the new ring, with what they hold
     * @param fault why what was being read cannot be answered; null: it goes on, too
     */
    public void restart(PageDirectory pages, String fault) {
        if (fault != null) {
            endWhatWasRead(fault);
        }
        List<AskedText> all = new ArrayList<>(going.values());
        all.removeIf(text -> text.listener == null); // its text sees to it
        all.forEach(text -> text.wasRead = text.filled);
        all.reversed().forEach(waiting::addFirst);
        going.clear();
        told.clear();
        leaves.clear();
        joins.clear();
        left = 0;
        directory = pages;
        for (AskedText text : List.copyOf(waiting)) {
            String tooLong = roomFault(text.ask);
            // All that was asked of one that is only scored may have been told.
            if (tooLong != null || (text.ask.most() == 0 && text.ask.scores() && text.isScored())) {
                waiting.remove(text);
                text.listener.ended(tooLong);
            }
        }
    }

    private void endWhatWasRead(String fault) {
        boolean reading = told.stream().anyMatch(serve -> !serve.fills().isEmpty());
        for (AskedText text : List.copyOf(going.values())) {
            boolean read =
                    told.stream()
                            .flatMap(serve -> serve.fills().stream())
                            .anyMatch(fill -> fill.text() == text.id);
            if ((read || !reading) && going.containsKey(text.id)) {
                end(owner(text), fault, true);
            }
        }
    }

    /** The text that somebody waits for. */
    private AskedText owner(AskedText text) {
        return text.listener == null ? going.get(-text.id) : text;
    }

    /** Nobody is answered any more. */
    public void failAll(String fault) {
        waiting.forEach(text -> text.listener.ended(fault));
        waiting.clear();
        List.copyOf(going.values()).stream()
                .filter(text -> text.listener != null)
                .forEach(text -> end(text, fault, true));
    }
}
