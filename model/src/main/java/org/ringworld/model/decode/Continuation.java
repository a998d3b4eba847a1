package org.ringworld.model.decode;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.ringworld.tokenizer.TextDecoder;
import org.ringworld.tokenizer.Tokenizer;

/**
 * What a model wrote after a prompt.
 *
 * @param text without what ended it
 * @param tokens of it, without the one that ended it
 * @param end the token that ended it; null: none did
 * @param stopped whether it came to an end by itself, and not to the most tokens allowed
 * @param cached tokens of the prompt that had been read before
 */
public record Continuation(
        String text,
        List<Made.Token> tokens,
        Made.Token end,
        boolean stopped,
        int cached,
        double prefillSeconds,
        double decodeSeconds) {

    /** Is given a text as it comes. */
    public interface Out {
        /** What there was to read has been read. */
        default void begins() throws InterruptedException {}

        /**
         * The text has got longer.
         *
         * @param text whole characters; none where there are only tokens
         * @param tokens whose characters begin in what has been given so far
         */
        void part(String text, List<Made.Token> tokens) throws InterruptedException;
    }

    /**
     * What a model says after a prompt, which the text goes on with.
     *
     * @param stops texts before which it ends
     * @throws IllegalArgumentException saying why it cannot be answered
     */
    public static Continuation of(Ask ask, Engine engine, Tokenizer tokenizer, List<String> stops)
            throws InterruptedException {
        TextDecoder decoder = tokenizer.decoder();
        // Vision codes say nothing that is heard.
        IntStream.of(ask.prompt()).filter(id -> id < tokenizer.vocabSize()).forEach(decoder::next);
        try (Answer answer = engine.ask(ask)) {
            return write(answer, tokenizer, decoder, stops, _ -> {});
        }
    }

    /**
     * Takes an answer to the end of the text, a stop text or the most tokens allowed.
     *
     * @param answer asked a moment ago; it is not closed
     * @param decoder that has heard the prompt, where the answer goes on with its words
     * @param stops texts before which it ends
     * @param out is given the text as it comes, in whole characters
     * @throws IllegalArgumentException saying why it cannot be answered
     */
    public static Continuation write(
            Answer answer,
            Tokenizer tokenizer,
            TextDecoder decoder,
            List<String> stops,
            Consumer<String> out)
            throws InterruptedException {
        return writeTokens(
                answer,
                tokenizer,
                decoder,
                stops,
                (text, _) -> {
                    if (!text.isEmpty()) {
                        out.accept(text);
                    }
                });
    }

    /**
     * Likewise.
     *
     * @param out is given the text with its tokens
     * @throws IllegalArgumentException saying why it cannot be answered
     */
    public static Continuation writeTokens(
            Answer answer, Tokenizer tokenizer, TextDecoder decoder, List<String> stops, Out out)
            throws InterruptedException {
        long start = System.nanoTime();
        Made.Token next = answer.next();
        long prefilled = System.nanoTime();
        out.begins();
        StringBuilder part = new StringBuilder();
        StopText text = new StopText(stops, part::append);
        List<Made.Token> written = new ArrayList<>();
        List<Integer> begins = new ArrayList<>();
        int told = 0;
        boolean ended = false;
        Made.Token end = null;
        for (; next != null && !ended; next = ended ? null : answer.next()) {
            if (tokenizer.ends().contains(next.id()) || next.id() >= tokenizer.vocabSize()) {
                ended = true;
                end = next;
                break;
            }
            begins.add(text.length());
            written.add(next);
            ended = text.add(decoder.next(next.id()));
            int to = told;
            while (to < written.size() && begins.get(to) < text.passed()) {
                to++;
            }
            told = tell(part, written, told, to, out);
        }
        ended |= !text.isStopped() && text.add(decoder.finish());
        text.finish();
        // Tokens that begin where the stop text does, or after it, are not of the text.
        int kept = written.size();
        while (text.isStopped() && kept > 0 && begins.get(kept - 1) >= text.length()) {
            kept--;
        }
        tell(part, written, told, kept, out);
        return new Continuation(
                text.toString(),
                List.copyOf(written.subList(0, kept)),
                end,
                ended,
                answer.cached(),
                (prefilled - start) * 1e-9,
                (System.nanoTime() - prefilled) * 1e-9);
    }

    private static int tell(StringBuilder part, List<Made.Token> written, int told, int to, Out out)
            throws InterruptedException {
        if (part.length() > 0 || to > told) {
            out.part(part.toString(), List.copyOf(written.subList(told, to)));
            part.setLength(0);
        }
        return to;
    }

    public List<Integer> ids() {
        return tokens.stream().map(Made.Token::id).toList();
    }

    /** ln of the probability that the model gave each token. */
    public List<Double> logprobs() {
        return tokens.stream().map(Made.Token::logprob).toList();
    }
}
