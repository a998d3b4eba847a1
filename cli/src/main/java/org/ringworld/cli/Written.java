package org.ringworld.cli;

import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Map;
import org.ringworld.model.decode.Continuation;
import org.ringworld.model.decode.Made;
import org.ringworld.tokenizer.Tokenizer;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** What a model wrote after a prompt of so many tokens, as it is told to users. */
record Written(Continuation text, int promptTokens) {
    /**
     * Its text, ids, logprobs, why it ended and what it used.
     *
     * @param alternatives whether the likeliest tokens are told beside each
     */
    ObjectNode json(Tokenizer tokenizer, boolean alternatives) {
        ObjectNode all = JsonMapper.shared().createObjectNode();
        all.put("text", text.text());
        ArrayNode ids = all.putArray("ids");
        text.ids().forEach(ids::add);
        ArrayNode logprobs = all.putArray("logprobs");
        text.logprobs().forEach(logprobs::add);
        if (alternatives) {
            ArrayNode top = all.putArray("top_logprobs");
            for (Made.Token token : text.tokens()) {
                ArrayNode here = top.addArray();
                for (Made.Alternative other : token.alternatives()) {
                    here.addObject()
                            .put("id", other.id())
                            .put("token", name(other.id(), tokenizer))
                            .put("logprob", other.logprob());
                }
            }
        }
        all.put("finish_reason", text.stopped() ? "stop" : "length");
        all.putObject("usage")
                .put("prompt_tokens", promptTokens)
                .put("completion_tokens", text.ids().size())
                .put("cached_tokens", text.cached());
        return all;
    }

    /** A token's own text, a special one's name; models may have more tokens than tokenizers. */
    private static String name(int id, Tokenizer tokenizer) {
        if (id >= tokenizer.vocabSize()) {
            return "";
        }
        return tokenizer.specialTokens().entrySet().stream()
                .filter(special -> special.getValue() == id)
                .map(Map.Entry::getKey)
                .findFirst()
                .orElseGet(() -> new String(tokenizer.bytes(id), StandardCharsets.UTF_8));
    }

    /** How fast it was, in a line. */
    String rates() {
        return "prefill %s (%d of %d tokens cached)  decode %s"
                .formatted(
                        rate(promptTokens - text.cached(), text.prefillSeconds()),
                        text.cached(),
                        promptTokens,
                        // The first token comes of the prompt.
                        rate(text.ids().size() - 1, text.decodeSeconds()));
    }

    private static String rate(int tokens, double seconds) {
        return tokens < 1 || seconds <= 0
                ? "–"
                : String.format(Locale.ROOT, "%.1f tokens/s", tokens / seconds);
    }
}
