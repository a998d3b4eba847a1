package org.ringworld.actors.http.openai;

import java.util.List;
import org.ringworld.model.decode.Sampler;

/**
 * What a client wants to have written.
 *
 * @param prompts at least one, each of at least one token
 * @param isChat whether an answer is a text of its own and does not go on with the prompt's words
 * @param most tokens of a text
 * @param choices texts after each prompt, with seeds one after the other
 * @param sampler the first choice's
 * @param stops texts before which one ends
 * @param logprobs whether it is told how likely tokens were
 * @param alternatives how many of the likeliest tokens are told beside each
 * @param echo whether texts begin with their prompts
 * @param stream null: it is told at once
 */
public record TextRequest(
        List<int[]> prompts,
        boolean isChat,
        int most,
        int choices,
        Sampler sampler,
        List<String> stops,
        boolean logprobs,
        int alternatives,
        boolean echo,
        Stream stream) {
    /**
     * What a stream tells beside texts.
     *
     * @param usage what was used, at the end
     * @param usageSoFar and with each part what was used so far
     */
    public record Stream(boolean usage, boolean usageSoFar) {}

    public int texts() {
        return prompts.size() * choices;
    }

    /** Whether it is told how likely the prompt's tokens were. */
    public boolean scores() {
        return echo && logprobs;
    }

    public int promptTokens() {
        return prompts.stream().mapToInt(ids -> ids.length).sum();
    }
}
