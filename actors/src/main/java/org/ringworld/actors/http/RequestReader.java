package org.ringworld.actors.http;

import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.ringworld.actors.http.openai.ApiFault;
import org.ringworld.actors.http.openai.Fields;
import org.ringworld.actors.http.openai.TextRequest;
import org.ringworld.model.decode.Sampler;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.chat.ChatText;
import tools.jackson.databind.JsonNode;

/**
 * Reads what is to be written from the fields of OpenAI's API. A field that would change a text and
 * is not known here is refused; all other unknown ones are left alone, as newer clients send them.
 */
final class RequestReader {
    /** Texts of a request. */
    private static final int MOST_TEXTS = 128;

    private static final int MOST_STOPS = 16;
    private static final int LONGEST_STOP = 1000;
    private static final int MOST_ALTERNATIVES = 20;

    /** As many as OpenAI's completions have where nothing is said. */
    private static final int USUAL_COMPLETION = 16;

    /**
     * A text has pages for all that it may come to have: all of a context would keep others out.
     */
    private static final int USUAL_ANSWER = 1024;

    /** Of a request's prompts together, where each token's probability is told. */
    private static final int MOST_SCORED = 1 << 18;

    private static final int MOST_PICTURES = 16;
    private static final int LARGEST_PICTURE = 20 << 20;

    private static final Pattern DATA_URL = Pattern.compile("data:image/[a-z0-9.+-]+;base64,");

    private final Fields fields;
    private final ServedText text;

    /** Stands for a picture in a chat: nobody can write it, as it is another one each time. */
    private final String tag = "<image " + UUID.randomUUID() + ">";

    private final List<int[]> shown = new ArrayList<>();

    RequestReader(Fields fields, ServedText text) {
        this.fields = fields;
        this.text = text;
    }

    /** Of {@code /v1/completions}. */
    TextRequest completion() {
        refuse("suffix", "best_of", "logit_bias", "presence_penalty", "frequency_penalty");
        List<int[]> prompts = prompts();
        boolean logprobs = fields.has("logprobs");
        boolean echo = fields.flag("echo");
        int most = most(prompts, fields.integer("max_tokens", USUAL_COMPLETION, 0, longest()));
        TextRequest request =
                new TextRequest(
                        prompts,
                        false,
                        most,
                        choices(prompts.size()),
                        sampler(),
                        stops(),
                        logprobs,
                        fields.integer("logprobs", 0, 0, MOST_ALTERNATIVES),
                        echo,
                        stream());
        if (request.scores() && request.promptTokens() > MOST_SCORED) {
            throw fields.fault("echo", "with logprobs is for " + MOST_SCORED + " tokens at most");
        }
        return request;
    }

    /** Of {@code /v1/chat/completions}. */
    TextRequest chat() {
        refuse("logit_bias", "presence_penalty", "frequency_penalty", "functions", "audio");
        String format = fields.object("response_format").text("type", "text");
        if (!format.equals("text")) {
            throw fields.fault("response_format", "can only be text, not " + format);
        }
        List<int[]> prompts = List.of(chatPrompt());
        boolean logprobs = fields.flag("logprobs");
        if (fields.has("top_logprobs") && !logprobs) {
            throw fields.fault("top_logprobs", "belongs to logprobs = true");
        }
        String key = fields.has("max_completion_tokens") ? "max_completion_tokens" : "max_tokens";
        int usual = Math.clamp(longest() - prompts.getFirst().length, 1, USUAL_ANSWER);
        return new TextRequest(
                prompts,
                true,
                most(prompts, fields.integer(key, usual, 1, longest())),
                choices(1),
                sampler(),
                stops(),
                logprobs,
                fields.integer("top_logprobs", 0, 0, MOST_ALTERNATIVES),
                false,
                stream());
    }

    private int longest() {
        return text.longest();
    }

    /** What is asked for and cannot be had; what says nothing is let through. */
    private void refuse(String... names) {
        for (String name : names) {
            JsonNode given = fields.node(name);
            boolean saysNothing =
                    given.isMissingNode()
                            || given.isNull()
                            || given.isNumber() && given.doubleValue() == 0
                            || given.isContainer() && given.isEmpty()
                            || given.isString() && given.stringValue().isEmpty()
                            || name.equals("best_of") && given.equals(fields.node("n"))
                            || name.equals("best_of") && given.asInt(0) == 1;
            if (!saysNothing) {
                throw fields.fault(name, "is not supported");
            }
        }
    }

    // ---- prompts

    private List<int[]> prompts() {
        JsonNode given = fields.node("prompt");
        List<int[]> prompts = new ArrayList<>();
        if (given.isString()) {
            prompts.add(encoded(given));
        } else if (!given.isArray() || given.isEmpty()) {
            throw fields.fault("prompt", "must be a string, tokens, or a list of either");
        } else if (given.get(0).isNumber()) {
            prompts.add(fields.ids("prompt", given, text.vocabSize()));
        } else {
            for (JsonNode one : given) {
                if (!one.isString() && !one.isArray()) {
                    throw fields.fault("prompt", "must be a string, tokens, or a list of either");
                }
                prompts.add(
                        one.isString()
                                ? encoded(one)
                                : fields.ids("prompt", one, text.vocabSize()));
            }
        }
        return prompts;
    }

    private int[] encoded(JsonNode prompt) {
        return text.tokenizer().prompt(prompt.stringValue());
    }

    private int[] chatPrompt() {
        List<Map<String, Object>> messages = new ArrayList<>();
        for (Fields message : fields.objects("messages")) {
            messages.add(message(message));
        }
        if (messages.isEmpty()) {
            throw fields.fault("messages", "must have at least one message");
        }
        try {
            return shown.isEmpty()
                    ? text.template().encode(messages, tools(), text.tokenizer())
                    : withPictures(messages);
        } catch (IllegalArgumentException e) {
            throw ApiFault.request("messages", e.getMessage());
        }
    }

    private int[] withPictures(List<Map<String, Object>> messages) {
        List<ChatText.Part> parts =
                text.template().ask(messages, tools(), List.of(tag), text.tokenizer());
        if (parts.stream().filter(part -> part.tag() != null).count() != shown.size()) {
            throw fields.fault("messages", "have pictures where the model's template drops them");
        }
        return text.pictures().prompt().chat(parts, shown);
    }

    private Map<String, Object> message(Fields message) {
        message.text("role");
        Map<String, Object> values = new LinkedHashMap<>(message.values());
        JsonNode content = message.node("content");
        if (content.isArray()) {
            values.put("content", parts(message));
        } else if (!content.isString() && !message.has("tool_calls")) {
            throw message.fault("content", "must be a string or a list of text parts");
        }
        if (message.has("tool_calls")) {
            values.put("tool_calls", calls(message));
        }
        return values;
    }

    private String parts(Fields message) {
        StringBuilder all = new StringBuilder();
        for (Fields part : message.objects("content")) {
            String type = part.text("type");
            if (type.equals("image_url") && text.pictures() != null) {
                show(part.object("image_url"));
                // Models learn a picture on a line of its own, as see asks about one.
                boolean isApart = all.isEmpty() || all.charAt(all.length() - 1) == '\n';
                all.append(isApart ? "" : "\n").append(tag);
            } else if (type.equals("text")) {
                all.append(part.text("text"));
            } else {
                String known = text.pictures() == null ? "text" : "text or image_url";
                throw part.fault("type", "can only be %s, not %s".formatted(known, type));
            }
        }
        return all.toString();
    }

    private void show(Fields image) {
        if (shown.size() == MOST_PICTURES) {
            throw fields.fault("messages", "have more than " + MOST_PICTURES + " pictures");
        }
        String url = image.text("url");
        Matcher start = DATA_URL.matcher(url);
        if (!start.lookingAt()) {
            throw image.fault(
                    "url", "must be data:image/png;base64,… (or another kind): nothing is fetched");
        }
        try {
            byte[] file = Base64.getDecoder().decode(url.substring(start.end()));
            if (file.length > LARGEST_PICTURE) {
                throw image.fault("url", "has a picture of more than 20 MiB");
            }
            shown.add(text.pictures().codes(file));
        } catch (IllegalArgumentException e) {
            throw image.fault("url", "is not base64: " + e.getMessage());
        } catch (DataException e) {
            throw image.fault("url", "cannot be seen: " + e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw ApiFault.server(503, "interrupted", "the server stops while it sees a picture");
        }
    }

    /** Templates take arguments as values; the API has them as a text of JSON. */
    private static List<Object> calls(Fields message) {
        List<Object> calls = new ArrayList<>();
        for (Fields call : message.objects("tool_calls")) {
            Map<String, Object> values = new LinkedHashMap<>(call.values());
            Map<String, Object> function = call.object("function").values();
            function.computeIfPresent("arguments", (_, text) -> Fields.parsed(text));
            values.put("function", function);
            calls.add(values);
        }
        return calls;
    }

    private List<Object> tools() {
        JsonNode choice = fields.node("tool_choice");
        boolean none = choice.isString() && choice.stringValue().equals("none");
        boolean auto = choice.isString() && choice.stringValue().equals("auto");
        if (fields.has("tool_choice") && !none && !auto) {
            throw fields.fault("tool_choice", "can only be auto or none");
        }
        if (!fields.has("tools") || none) {
            return null;
        }
        List<Object> tools = new ArrayList<>();
        fields.objects("tools").forEach(tool -> tools.add(tool.values()));
        return tools.isEmpty() ? null : tools;
    }

    // ---- what comes after them

    private int most(List<int[]> prompts, int most) {
        for (int[] prompt : prompts) {
            if ((long) prompt.length + most > longest()) {
                String sentence =
                        "a text of %s has at most %d tokens here; this prompt has %d, and %d were to follow"
                                .formatted(text.name(), longest(), prompt.length, most);
                String param = prompt.length > longest() ? "prompt" : "max_tokens";
                throw new ApiFault(
                        400,
                        "invalid_request_error",
                        fields.has("messages") && param.equals("prompt") ? "messages" : param,
                        "context_length_exceeded",
                        sentence);
            }
        }
        return most;
    }

    private int choices(int prompts) {
        int choices = fields.integer("n", 1, 1, MOST_TEXTS);
        if ((long) prompts * choices > MOST_TEXTS) {
            throw fields.fault(
                    prompts > 1 ? "prompt" : "n",
                    "asks for %d texts, a request has at most %d"
                            .formatted((long) prompts * choices, MOST_TEXTS));
        }
        return choices;
    }

    private Sampler sampler() {
        return new Sampler(
                fields.number("temperature", 1, 0, 100),
                fields.integer("top_k", 0, -1, Integer.MAX_VALUE) == -1 // all, as others say it
                        ? 0
                        : fields.integer("top_k", 0, 0, Integer.MAX_VALUE),
                Math.max(Double.MIN_NORMAL, fields.number("top_p", 1, 0, 1)),
                fields.number("min_p", 0, 0, 1),
                fields.number("repetition_penalty", 1, 0.01, 100),
                fields.integer(
                        "seed",
                        ThreadLocalRandom.current().nextLong(),
                        Long.MIN_VALUE,
                        Long.MAX_VALUE));
    }

    private List<String> stops() {
        JsonNode given = fields.node("stop");
        List<String> stops = new ArrayList<>();
        if (given.isString()) {
            stops.add(given.stringValue());
        } else if (given.isArray()) {
            for (JsonNode stop : given) {
                stops.add(stop.isString() ? stop.stringValue() : "");
            }
        } else if (fields.has("stop")) {
            throw fields.fault("stop", "must be a string or a list of strings");
        }
        boolean fit =
                stops.stream().allMatch(stop -> !stop.isEmpty() && stop.length() <= LONGEST_STOP);
        if (!fit || stops.size() > MOST_STOPS) {
            throw fields.fault(
                    "stop",
                    "must be up to %d strings of 1 to %d characters"
                            .formatted(MOST_STOPS, LONGEST_STOP));
        }
        return stops;
    }

    private TextRequest.Stream stream() {
        Fields options = fields.object("stream_options");
        boolean soFar = options.flag("continuous_usage_stats");
        boolean usage = options.flag("include_usage");
        return fields.flag("stream") ? new TextRequest.Stream(usage || soFar, soFar) : null;
    }
}
