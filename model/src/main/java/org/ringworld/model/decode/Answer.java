package org.ringworld.model.decode;

import java.util.Arrays;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.stream.IntStream;

/** What comes of an {@link Ask}: its tokens, one after the other, as they are written. */
public final class Answer implements Scheduler.Listener, AutoCloseable {
    private final BlockingQueue<Object> coming = new LinkedBlockingQueue<>();
    private final Runnable onClose;
    private final float[] scores;
    private final boolean[] hits;
    private final int[][] likeliest;
    private final float[][] theirs;
    private volatile int cached;
    private volatile int scored;
    private volatile int read;
    private boolean over;

    private record End() {}

    /**
     * @param onClose tells that nobody listens any more
     */
    public Answer(Ask ask, Runnable onClose) {
        this.onClose = onClose;
        this.scores = ask.scores() ? new float[ask.prompt().length] : null;
        this.hits = ask.scores() ? new boolean[ask.prompt().length] : null;
        this.likeliest = ask.scores() ? new int[ask.prompt().length][] : null;
        this.theirs = ask.scores() ? new float[ask.prompt().length][] : null;
        if (scores != null) {
            Arrays.fill(scores, Float.NaN);
        }
    }

    /**
     * Waits for the next token.
     *
     * @return null behind the last
     * @throws IllegalArgumentException saying why it cannot be answered
     */
    public Made.Token next() throws InterruptedException {
        if (over) {
            return null;
        }
        Object next = coming.take();
        // Of the prompt's scores some may come after the last token.
        over = !(next instanceof Made.Token token) || token.last() && scores == null;
        return switch (next) {
            case Made.Token token -> token;
            case String fault -> throw new IllegalArgumentException(fault);
            default -> null;
        };
    }

    /** Tokens of the prompt that had been read for others before. */
    public int cached() {
        return cached;
    }

    /** Tokens of the prompt that have been read so far, cached ones among them; from any thread. */
    public int read() {
        return read;
    }

    /**
     * ln of the probability of each token of the prompt that was to be scored, NaN of others; whole
     * when {@link #next} has told the end.
     */
    public float[] scores() {
        return scores;
    }

    /** Whether each of these tokens had the greatest logit: greedily, it had been written. */
    public boolean[] hits() {
        return hits;
    }

    /** The likeliest tokens at a scored place of the prompt, as many as were asked for. */
    public List<Made.Alternative> likeliest(int position) {
        return IntStream.range(0, likeliest[position].length)
                .mapToObj(i -> new Made.Alternative(likeliest[position][i], theirs[position][i]))
                .toList();
    }

    /** Tokens of the prompt that {@link #scores} has so far; any thread may ask. */
    public int scored() {
        return scored;
    }

    /** The text ends with what was written so far: {@link #next} tells no more. From any thread. */
    public void stop() {
        onClose.run();
        ended(null);
    }

    /** Nobody listens any more. */
    @Override
    public void close() {
        if (!over) {
            over = true;
            onClose.run();
        }
    }

    // ---- for whoever answers

    @Override
    public void begins(int cachedTokens) {
        cached = cachedTokens;
        read = cachedTokens;
    }

    @Override
    public void read(int tokens) {
        read = tokens;
    }

    @Override
    public void scored(Made.Scores some) {
        System.arraycopy(some.logprobs(), 0, scores, some.from(), some.logprobs().length);
        System.arraycopy(some.hits(), 0, hits, some.from(), some.hits().length);
        int told = some.likeliest().length / some.logprobs().length;
        for (int i = 0; i < some.logprobs().length; i++) {
            int from = i * told;
            likeliest[some.from() + i] = Arrays.copyOfRange(some.likeliest(), from, from + told);
            theirs[some.from() + i] = Arrays.copyOfRange(some.theirs(), from, from + told);
        }
        // One thread at a time tells.
        scored = scored + some.logprobs().length;
    }

    @Override
    public void token(Made.Token token) {
        coming.add(token);
    }

    @Override
    public void ended(String fault) {
        coming.add(fault == null ? new End() : fault);
    }
}
