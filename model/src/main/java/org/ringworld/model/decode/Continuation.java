package org.ringworld.model.decode;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.ringworld.tokenizer.TextDecoder;
import org.ringworld.tokenizer.Tokenizer;

/**
 * What a model wrote after a prompt.
 *
 * @param text without what ended it
 * @param ids of its tokens, without the one that ended it
 * @param logprobs ln of the probability that the model gave each of them
 * @param stopped whether it came to an end by itself, and not to the most tokens allowed
 */
public record Continuation(
        String text,
        List<Integer> ids,
        List<Double> logprobs,
        boolean stopped,
        double prefillSeconds,
        double decodeSeconds) {

    /** The tokens of a text that is gone on with, BOS first where the tokenizer adds it. */
    public static int[] prompt(String text, Tokenizer tokenizer) {
        int[] ids = tokenizer.encode(text);
        if (!tokenizer.addsBos() && ids.length > 0) {
            return ids;
        }
        // A model needs something to go on from, be it BOS that is not added otherwise.
        int[] with = new int[ids.length + 1];
        with[0] = tokenizer.bos();
        System.arraycopy(ids, 0, with, 1, ids.length);
        return with;
    }

    /**
     * Reads the prompt of a sequence and goes on after it to the end of the text, a stop text or
     * for {@code most} tokens.
     */
    public static Continuation write(
            Generator.Sequence sequence,
            Sampler sampler,
            Tokenizer tokenizer,
            TextDecoder decoder,
            int most,
            List<String> stops,
            Consumer<String> out) {
        long start = System.nanoTime();
        float[] logits = sequence.readPrompt();
        long prefilled = System.nanoTime();
        StopText text = new StopText(stops, out);
        List<Integer> written = new ArrayList<>();
        List<Integer> begins = new ArrayList<>();
        List<Double> logprobs = new ArrayList<>();
        boolean ended = false;
        while (!ended && written.size() < most) {
            int next = sequence.choose(sampler, logits);
            if (tokenizer.ends().contains(next) || next >= tokenizer.vocabSize()) {
                ended = true;
                break;
            }
            begins.add(text.length());
            written.add(next);
            logprobs.add(logprob(logits, next));
            ended = text.add(decoder.next(next));
            if (!ended && written.size() < most) {
                logits = sequence.read(next);
            }
        }
        ended |= !text.isStopped() && text.add(decoder.finish());
        text.finish();
        // Tokens that begin where the stop text does, or after it, are not of the text.
        int kept = written.size();
        while (text.isStopped() && kept > 0 && begins.get(kept - 1) >= text.length()) {
            kept--;
        }
        return new Continuation(
                text.toString(),
                List.copyOf(written.subList(0, kept)),
                List.copyOf(logprobs.subList(0, kept)),
                ended,
                (prefilled - start) * 1e-9,
                (System.nanoTime() - prefilled) * 1e-9);
    }

    private static double logprob(float[] logits, int id) {
        double greatest = Double.NEGATIVE_INFINITY;
        for (float logit : logits) {
            greatest = Math.max(greatest, logit);
        }
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit - greatest);
        }
        return logits[id] - greatest - Math.log(sum);
    }
}
