package org.ringworld.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.chat.ChatTemplate;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What a line of a file of prompts asks.
 *
 * @param id what its user calls it; missing: nothing
 * @param continues whether the answer goes on with the prompt's words, and is no message
 */
record PromptLine(JsonNode id, Ask ask, List<String> stops, boolean continues) {
    private static final Set<String> KEYS =
            Set.of(
                    "prompt",
                    "messages",
                    "id",
                    "max_tokens",
                    "temperature",
                    "top_k",
                    "top_p",
                    "min_p",
                    "repetition_penalty",
                    "seed",
                    "stop");

    /**
     * What holds where a line says nothing.
     *
     * @param alternatives told beside each token; null: they are not asked for
     */
    record Defaults(int most, Sampler sampler, List<String> stops, Integer alternatives) {}

    /**
     * @throws UsageException saying what is wrong with the line
     */
    static PromptLine parse(
            String line, Defaults defaults, Tokenizer tokenizer, ChatTemplate template) {
        JsonNode json;
        try {
            json = JsonMapper.shared().readTree(line);
        } catch (JacksonException e) {
            throw new UsageException("is not JSON: " + e.getOriginalMessage());
        }
        if (!json.isObject()) {
            throw new UsageException("is no JSON object");
        }
        for (String key : json.propertyNames()) {
            require(KEYS.contains(key), key + " is not known; there are " + sorted());
        }
        require(json.has("prompt") != json.has("messages"), "needs either prompt or messages");
        int most = (int) number(json, "max_tokens", defaults.most, 1, Integer.MAX_VALUE);
        int count = defaults.alternatives == null ? 0 : defaults.alternatives;
        try {
            int[] ids =
                    json.has("prompt")
                            ? tokenizer.prompt(text(json, "prompt"))
                            : template.encode(messages(json.get("messages")), tokenizer);
            Sampler sampler = sampler(json, defaults.sampler);
            Ask ask = new Ask(ids, most, sampler, tokenizer.ends(), count, 0);
            List<String> stops = json.has("stop") ? stops(json.get("stop")) : defaults.stops;
            return new PromptLine(json.path("id"), ask, stops, json.has("prompt"));
        } catch (IllegalArgumentException e) {
            throw new UsageException(e.getMessage());
        }
    }

    private static void require(boolean right, String fault) {
        if (!right) {
            throw new UsageException(fault);
        }
    }

    private static String sorted() {
        return String.join(", ", KEYS.stream().sorted().toList());
    }

    private static Sampler sampler(JsonNode json, Sampler unlessGiven) {
        return new Sampler(
                real(json, "temperature", unlessGiven.temperature()),
                (int) number(json, "top_k", unlessGiven.topK(), 0, Integer.MAX_VALUE),
                real(json, "top_p", unlessGiven.topP()),
                real(json, "min_p", unlessGiven.minP()),
                real(json, "repetition_penalty", unlessGiven.repetitionPenalty()),
                number(json, "seed", unlessGiven.seed(), Long.MIN_VALUE, Long.MAX_VALUE));
    }

    private static double real(JsonNode json, String key, double unlessGiven) {
        require(!json.has(key) || json.get(key).isNumber(), key + " must be a number");
        return json.path(key).asDouble(unlessGiven);
    }

    private static long number(JsonNode json, String key, long unlessGiven, long least, long most) {
        if (!json.has(key)) {
            return unlessGiven;
        }
        JsonNode given = json.get(key);
        boolean right = given.isIntegralNumber() && given.canConvertToLong();
        require(
                right && given.asLong() >= least && given.asLong() <= most,
                key + " = " + given + " must be a whole number from " + least);
        return given.asLong();
    }

    private static String text(JsonNode json, String key) {
        require(json.path(key).isString(), key + " must be a text");
        return json.get(key).stringValue();
    }

    private static List<ChatTemplate.Message> messages(JsonNode json) {
        require(json.isArray(), "messages must be a list");
        List<ChatTemplate.Message> messages = new ArrayList<>();
        for (JsonNode message : json) {
            messages.add(new ChatTemplate.Message(text(message, "role"), text(message, "content")));
        }
        return messages;
    }

    private static List<String> stops(JsonNode json) {
        List<String> stops = new ArrayList<>();
        for (JsonNode stop : json.isArray() ? json : List.of(json)) {
            require(
                    stop.isString() && !stop.stringValue().isEmpty(),
                    "stop must be a text, or a list of them, none of them empty");
            stops.add(stop.stringValue());
        }
        return stops;
    }
}
