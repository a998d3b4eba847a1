package org.ringworld.model.decode;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
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
 * asked, as soon as there are pages for them; prompts are read in chunks, between which the others
 * get their tokens.
 */
public final class Scheduler {
    /** Steps that ranks may go on without a word. */
    private static final int AHEAD = 8;

    /** The longest that a chunk may take while others wait for their tokens. */
    private static final double CHUNK_SECONDS = 0.15;

    private final PageDirectory directory;
    private final int vocabSize;
    private final int chunk;
    private final int inFlight;
    private final Deque<Text> waiting = new ArrayDeque<>();
    private final Map<Long, Text> going = new LinkedHashMap<>();
    private final List<Long> leaves = new ArrayList<>();
    // Told and not yet done, oldest first.
    private final Deque<Serve> told = new ArrayDeque<>();
    private final List<Text> joins = new ArrayList<>();
    private long number;
    private int left;
    private double tokensPerSecond = 0;

    /** What came of a text. */
    public interface Listener {
        void begins(int cachedTokens);

        void token(Made.Token token);

        void scored(Made.Scores scores);

        /**
         * It is over.
         *
         * @param fault why it cannot be answered; null: it was
         */
        void ended(String fault);
    }

    private static final class Text {
        final long id;
        final Ask ask;
        final Listener listener;
        PageDirectory.Sequence place;
        int[] ids;
        int length;

        /** Positions whose keys and values are there. */
        int filled;

        /** Positions that are to be read before it is gone on with. */
        int reads;

        /** Of these, those that ranks were told to read. */
        int toldTo;

        Text(long id, Ask ask, Listener listener) {
            this.id = id;
            this.ask = ask;
            this.listener = listener;
            this.ids = ask.prompt();
            this.length = ids.length;
        }

        int written() {
            return length - ask.prompt().length;
        }

        boolean isRead() {
            return filled >= reads;
        }

        /** It joins the ranks, with what is in its pages. */
        void joins() {
            reads = length;
            toldTo = filled;
        }
    }

    /**
     * @param vocabSize of the model
     * @param chunk tokens that are read at a time where nobody waits, a multiple of a page
     * @param inFlight how many words ranks may have before them: 1 where they are told at once
     */
    public Scheduler(PageDirectory directory, int vocabSize, int chunk, int inFlight) {
        this.directory = directory;
        this.vocabSize = vocabSize;
        this.chunk = chunk;
        this.inFlight = inFlight;
    }

    /** Somebody asks; what is wrong with it is told at once. */
    public void ask(long id, Ask ask, Listener listener) {
        String fault = fault(ask);
        if (fault == null) {
            waiting.add(new Text(id, ask, listener));
        } else {
            listener.ended(fault);
        }
    }

    private String fault(Ask ask) {
        if (ask.prompt().length == 0) {
            return "there is nothing to read: the prompt is empty";
        }
        for (int id : ask.prompt()) {
            if (id < 0 || id >= vocabSize) {
                return "the prompt has token %d, the model's are 0 to %d"
                        .formatted(id, vocabSize - 1);
            }
        }
        try {
            directory.checkFits(ask.longest());
        } catch (PageDirectory.TooLongException | ArithmeticException e) {
            return e.getMessage();
        }
        return null;
    }

    /** Nobody waits for it any more. */
    public void cancel(long id) {
        waiting.removeIf(text -> text.id == id);
        end(going.get(id), null, false);
    }

    private void end(Text text, String fault, boolean tell) {
        if (text == null) {
            return;
        }
        going.remove(text.id);
        if (!joins.remove(text)) {
            leaves.add(text.id);
        }
        directory.close(text.place);
        if (tell) {
            text.listener.ended(fault);
        }
    }

    /** Whether nobody waits for anything. */
    public boolean isIdle() {
        return waiting.isEmpty() && going.isEmpty();
    }

    /** What the ranks are to be told now, if anything. */
    public Optional<Serve> next() {
        if (told.size() >= inFlight) {
            return Optional.empty();
        }
        admit();
        List<Serve.Fill> fills = fills();
        boolean decodes = going.values().stream().anyMatch(Text::isRead);
        boolean news = !joins.isEmpty() || !leaves.isEmpty() || !fills.isEmpty();
        if (!news && !(decodes && told.isEmpty() && left <= AHEAD / 2)) {
            return Optional.empty();
        }
        Serve serve =
                new Serve(
                        ++number,
                        joins.stream().map(this::join).toList(),
                        List.copyOf(leaves),
                        fills,
                        AHEAD);
        joins.clear();
        leaves.clear();
        told.add(serve);
        return Optional.of(serve);
    }

    private void admit() {
        while (!waiting.isEmpty()) {
            Text text = waiting.peek();
            int[] ids = Arrays.copyOf(text.ids, text.length);
            text.place = directory.open(ids, text.ask.longest());
            if (text.place == null) {
                return;
            }
            waiting.remove();
            text.ids = Arrays.copyOf(ids, text.ask.longest());
            text.filled = text.place.cached();
            text.joins();
            going.put(text.id, text);
            joins.add(text);
            text.listener.begins(text.place.cached());
        }
    }

    private Serve.Join join(Text text) {
        List<PageDirectory.Page> pages = text.place.pages();
        return new Serve.Join(
                text.id,
                Arrays.copyOf(text.ids, text.length),
                new SequencePages(
                        pages.stream().mapToInt(PageDirectory.Page::rank).toArray(),
                        pages.stream().mapToInt(PageDirectory.Page::number).toArray()),
                text.filled,
                text.written(),
                text.ask);
    }

    /** What is read next: prompts in the order in which they came, up to a chunk's tokens. */
    private List<Serve.Fill> fills() {
        List<Serve.Fill> fills = new ArrayList<>();
        int room = room();
        for (Text text : going.values()) {
            if (room <= 0 || text.toldTo == text.reads) {
                continue;
            }
            int to = Math.min(text.reads, text.toldTo + room);
            int border = to / PageMemory.TOKENS * PageMemory.TOKENS;
            to = to < text.reads && border > text.toldTo ? border : to;
            fills.add(new Serve.Fill(text.id, text.toldTo, to));
            room -= to - text.toldTo;
            text.toldTo = to;
        }
        return fills;
    }

    private int room() {
        boolean somebodyWaits = going.values().stream().anyMatch(Text::isRead);
        if (!somebodyWaits) {
            return chunk;
        }
        int most = (int) Math.min(chunk, tokensPerSecond * CHUNK_SECONDS);
        return Math.max(PageMemory.TOKENS, most / PageMemory.TOKENS * PageMemory.TOKENS);
    }

    /** A rank tells of a step. */
    public void made(Made made) {
        for (Made.Scores scores : made.scores()) {
            Text text = going.get(scores.text());
            if (text != null) {
                text.listener.scored(scores);
            }
        }
        if (made.rank() > 0) {
            return;
        }
        left = made.left();
        while (!told.isEmpty() && told.peek().number() <= made.serve()) {
            filled(told.remove().fills(), made.seconds());
        }
        made.tokens().forEach(this::written);
    }

    private void filled(List<Serve.Fill> fills, double seconds) {
        int tokens = 0;
        for (Serve.Fill fill : fills) {
            tokens += fill.to() - fill.from();
            Text text = going.get(fill.text());
            if (text == null) {
                continue;
            }
            text.filled = fill.to();
            directory.filled(text.place, text.ids, text.filled);
            if (text.isRead() && text.ask.most() == 0) {
                end(text, null, true);
            }
        }
        if (tokens > 0) {
            tokensPerSecond = tokens / seconds;
        }
    }

    private void written(Made.Token token) {
        Text text = going.get(token.text());
        if (text == null || token.index() != text.written()) {
            return;
        }
        // All before it were computed on its way.
        text.filled = text.length;
        directory.filled(text.place, text.ids, text.filled);
        text.ids[text.length++] = token.id();
        text.listener.token(token);
        if (token.last()) {
            end(text, null, true);
        }
    }

    /**
     * The ranks have forgotten everything but their pages: they are told all again.
     *
     * @param fault why what was being read cannot be answered; null: it goes on, too
     */
    public void restart(String fault) {
        if (fault != null) {
            boolean reading = told.stream().anyMatch(serve -> !serve.fills().isEmpty());
            for (Text text : List.copyOf(going.values())) {
                boolean read =
                        told.stream()
                                .flatMap(serve -> serve.fills().stream())
                                .anyMatch(fill -> fill.text() == text.id);
                if (read || !reading) {
                    end(text, fault, true);
                }
            }
        }
        told.clear();
        leaves.clear();
        joins.clear();
        joins.addAll(going.values());
        going.values().forEach(Text::joins);
        left = 0;
    }

    /** Nobody is answered any more. */
    public void failAll(String fault) {
        waiting.forEach(text -> text.listener.ended(fault));
        waiting.clear();
        List.copyOf(going.values()).forEach(text -> end(text, fault, true));
    }
}
