package org.ringworld.tokenizer.documents;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import java.util.stream.Collectors;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.chat.ChatTemplate;
import org.ringworld.tokenizer.chat.ChatText;
import org.ringworld.tokenizer.chat.TemplateValue;
import tools.jackson.databind.JsonNode;

/**
 * A chat as a document: its messages through a chat template, with loss on what the assistant says.
 * Messages are {@code role} and {@code content} (OpenAI's) or {@code from} and {@code value}
 * (ShareGPT's); {@code <image>} and {@code <video>} in them stand for the example's vision fields,
 * one after the other.
 */
final class ChatDocument {
    private static final List<String> TAGS = List.of("<image>", "<video>");

    /** ShareGPT's names of who speaks, where they are not those of templates. */
    private static final Map<String, String> ROLES =
            Map.of(
                    "human", "user",
                    "gpt", "assistant",
                    "chatgpt", "assistant",
                    "bing", "assistant",
                    "bard", "assistant",
                    "model", "assistant",
                    "observation", "tool",
                    "function_response", "tool");

    private ChatDocument() {}

    /** The field that holds a chat where a line has no text; null where there is none. */
    static String field(JsonNode example) {
        for (String name : List.of("messages", "conversations")) {
            if (example.path(name).isArray()) {
                return name;
            }
        }
        return null;
    }

    /**
     * @param vision the codes of each image and video, in order
     * @param weight of what the assistant says
     * @throws DataException where a message is none, the template refuses them, or tags and vision
     *     fields are not of the same number
     */
    static TokenizedDocument of(
            JsonNode example,
            String name,
            List<int[]> vision,
            int tokensPerFrame,
            float weight,
            ChatTemplate template,
            Tokenizer tokenizer)
            throws DataException {
        List<ChatText.Part> parts;
        try {
            parts = template.learn(messages(example, name), tools(example), TAGS, tokenizer);
        } catch (IllegalArgumentException e) {
            throw new DataException("has a chat that cannot be used: " + e.getMessage(), e);
        }
        long tags = parts.stream().filter(part -> part.tag() != null).count();
        if (tags != vision.size()) {
            throw new DataException(
                    "has %d tags <image> or <video> and codes for %d: give those of each in a field with vision in its name (ringworld vision encode makes them)"
                            .formatted(tags, vision.size()));
        }
        DocumentBuilder document = new DocumentBuilder(tokenizer);
        int next = 0;
        for (ChatText.Part part : parts) {
            float of = part.learned() ? weight : 0;
            if (part.tag() == null) {
                document.tokens(part.ids(), of);
            } else {
                document.vision(vision.get(next++), tokensPerFrame, of);
            }
        }
        return document.build();
    }

    /**
     * Who says what, the same in whatever form it is written and whatever else a line has.
     *
     * @throws DataException where a message is none
     */
    static String said(JsonNode example, String name) throws DataException {
        return messages(example, name).stream()
                .map(message -> message.get("role") + "\n" + message.get("content"))
                .collect(Collectors.joining("\n"));
    }

    private static List<Map<String, Object>> messages(JsonNode example, String name)
            throws DataException {
        List<Map<String, Object>> messages = new ArrayList<>();
        for (JsonNode one : example.path(name)) {
            messages.add(
                    message(
                            one,
                            "message %d of its field %s".formatted(messages.size() + 1, name)));
        }
        JsonNode system = example.path("system");
        boolean hasSystem = !messages.isEmpty() && "system".equals(messages.getFirst().get("role"));
        if (system.isString() && !system.stringValue().isEmpty() && !hasSystem) {
            messages.addFirst(Map.of("role", "system", "content", system.stringValue()));
        }
        return messages;
    }

    private static Map<String, Object> message(JsonNode one, String which) throws DataException {
        JsonNode role = one.path("role").isString() ? one.path("role") : one.path("from");
        if (!role.isString()) {
            throw new DataException("says in " + which + " neither role nor from");
        }
        Map<String, Object> message = new LinkedHashMap<>();
        message.put("role", ROLES.getOrDefault(role.stringValue(), role.stringValue()));
        message.put(
                "content", content(one.path(one.hasNonNull("value") ? "value" : "content"), which));
        one.properties()
                .forEach(
                        field -> {
                            if (!List.of("role", "from", "content", "value")
                                            .contains(field.getKey())
                                    && !field.getValue().isNull()) {
                                message.put(
                                        field.getKey(), TemplateValue.of(field.getValue(), false));
                            }
                        });
        return message;
    }

    /** A text, or the parts of one; null where there is none, as beside a tool's call. */
    private static String content(JsonNode content, String which) throws DataException {
        if (content.isString()) {
            return content.stringValue();
        }
        if (content.isNull() || content.isMissingNode()) {
            return null;
        }
        if (!content.isArray()) {
            throw noContent(which);
        }
        StringJoiner text = new StringJoiner("\n");
        for (JsonNode part : content) {
            String type = part.path("type").asString("");
            if (type.startsWith("image") || type.startsWith("video")) {
                text.add(type.startsWith("image") ? TAGS.getFirst() : TAGS.getLast());
            } else if (part.path("text").isString()) {
                text.add(part.path("text").stringValue());
            } else {
                throw noContent(which);
            }
        }
        return text.toString();
    }

    private static DataException noContent(String which) {
        return new DataException(
                "has content in " + which + " that is neither text nor parts of it");
    }

    private static List<Object> tools(JsonNode example) {
        JsonNode tools = example.path("tools");
        if (!tools.isArray() || tools.isEmpty()) {
            return null;
        }
        List<Object> plain = new ArrayList<>();
        tools.forEach(tool -> plain.add(TemplateValue.of(tool, false)));
        return plain;
    }
}
