package org.ringworld.tokenizer.chat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.Utf8;
import org.ringworld.tokenizer.bpe.IntList;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.JsonNodeFactory;

/**
 * How a chat becomes the text that a model goes on from: a Jinja template as Transformers has them,
 * LWM's where a model brings none. What a template writes of special tokens becomes those tokens;
 * what the messages say never does.
 */
public record ChatTemplate(String template, Map<String, String> tokens) {
    /** LWM's: {@code You are a helpful assistant. USER: … ASSISTANT:}. */
    static final String LWM =
            """
            {%- if messages[0]['role'] == 'system' -%}
                {%- set system = messages[0]['content'] -%}
                {%- set messages = messages[1:] -%}
            {%- else -%}
                {%- set system = 'You are a helpful assistant.' -%}
            {%- endif -%}
            {{- bos_token + system + ' ' -}}
            {%- for message in messages -%}
                {%- if message['role'] == 'user' -%}
                    {{- 'USER: ' + message['content'] + ' ' -}}
                {%- elif message['role'] == 'assistant' -%}
                    {{- 'ASSISTANT: ' + message['content'] + eos_token -}}
                {%- else -%}
                    {{- raise_exception('a message is by system (the first), user or assistant') -}}
                {%- endif -%}
            {%- endfor -%}
            {%- if add_generation_prompt -%}
                {{- 'ASSISTANT:' -}}
            {%- endif -%}
            """;

    /** The special tokens that templates call by these names. */
    private static final List<String> TOKENS =
            List.of(
                    "bos_token",
                    "eos_token",
                    "unk_token",
                    "pad_token",
                    "sep_token",
                    "cls_token",
                    "mask_token");

    private static final Pattern GENERATION = Pattern.compile("\\{%-?\\s*generation\\s*-?%}");

    /**
     * @param template in Jinja
     * @param tokens what its names of special tokens stand for, where its model says so
     */
    public ChatTemplate {
        tokens = Collections.unmodifiableMap(new TreeMap<>(tokens));
    }

    /** What somebody says; the roles are system, user, assistant and what else a template knows. */
    public record Message(String role, String content) {}

    /**
     * A model directory's own: its {@code chat_template.jinja}, the {@code chat_template} of its
     * {@code tokenizer_config.json} or {@code chat_template.json}, else LWM's.
     *
     * @throws DataException where the files cannot be read
     */
    public static ChatTemplate load(Path directory) throws DataException {
        JsonNode config = json(directory.resolve("tokenizer_config.json"));
        Map<String, String> tokens = new HashMap<>();
        for (JsonNode names : List.of(json(directory.resolve("special_tokens_map.json")), config)) {
            for (String key : TOKENS) {
                JsonNode token = names.path(key);
                JsonNode content = token.isObject() ? token.path("content") : token;
                if (content.isString()) {
                    tokens.put(key, content.stringValue());
                } else if (token.isNull()) {
                    tokens.put(key, "");
                }
            }
        }
        return new ChatTemplate(template(directory, config), tokens);
    }

    private static String template(Path directory, JsonNode config) throws DataException {
        Path jinja = directory.resolve("chat_template.jinja");
        if (Files.exists(jinja)) {
            return Utf8.read(jinja);
        }
        for (JsonNode from : List.of(config, json(directory.resolve("chat_template.json")))) {
            JsonNode template = from.path("chat_template");
            if (template.isArray()) {
                template =
                        template.valueStream()
                                .filter(t -> t.path("name").asString("").equals("default"))
                                .findFirst()
                                .orElse(template.path(0))
                                .path("template");
            }
            if (template.isString()) {
                return template.stringValue();
            }
        }
        return LWM;
    }

    /** A file as JSON; nothing where there is none. */
    private static JsonNode json(Path file) throws DataException {
        if (!Files.exists(file)) {
            return JsonNodeFactory.instance.missingNode();
        }
        try {
            return JsonMapper.shared().readTree(Utf8.read(file));
        } catch (JacksonException e) {
            throw new DataException(file + ": is not valid JSON: " + e.getOriginalMessage(), e);
        }
    }

    /**
     * That of the tokenizer that a job names: of its model directory; LWM's for {@code bytes}.
     *
     * @throws DataException where the files cannot be read
     */
    public static ChatTemplate of(String tokenizer) throws DataException {
        if (tokenizer.equals("bytes")) {
            return lwm();
        }
        Path path = Path.of(tokenizer);
        return load(Files.isDirectory(path) ? path : path.toAbsolutePath().getParent());
    }

    /**
     * That of a model directory or of a {@code .jinja} file; {@code lwm} is LWM's.
     *
     * @throws DataException where the files cannot be read
     */
    public static ChatTemplate named(String name) throws DataException {
        if (name.equals("lwm")) {
            return lwm();
        }
        Path path = Path.of(name);
        if (!Files.isDirectory(path)) {
            return new ChatTemplate(Utf8.read(path), Map.of());
        }
        return load(path);
    }

    /** LWM's template. */
    public static ChatTemplate lwm() {
        return new ChatTemplate(LWM, Map.of());
    }

    /** Its Jinja. */
    public String source() {
        return template;
    }

    /** Whether it is LWM's, as where a model brings none. */
    public boolean isLwms() {
        return template.equals(LWM);
    }

    /**
     * The tokens of a chat that the assistant is to answer. BOS is among them where the template
     * says so.
     *
     * @throws IllegalArgumentException where there is no message, or the template is wrong or
     *     refuses the messages, with its reason
     */
    public int[] encode(List<Message> messages, Tokenizer tokenizer) {
        List<Map<String, Object>> named = new ArrayList<>();
        for (Message message : messages) {
            named.add(Map.of("role", message.role(), "content", message.content()));
        }
        return encode(named, null, tokenizer);
    }

    /**
     * Likewise, of messages with whatever a template knows of them.
     *
     * @param messages of strings, longs, doubles, booleans, lists, maps and null
     * @param tools that the assistant may call, in the same terms; null: none
     */
    public int[] encode(
            List<Map<String, Object>> messages, List<Object> tools, Tokenizer tokenizer) {
        IntList ids = new IntList();
        for (ChatText.Part part : ask(messages, tools, List.of(), tokenizer)) {
            IntStream.of(part.ids()).forEach(ids::add);
        }
        return ids.toArray();
    }

    /**
     * Likewise, in parts.
     *
     * @param tags that stand for something else than text where messages have them
     */
    public List<ChatText.Part> ask(
            List<Map<String, Object>> messages,
            List<Object> tools,
            List<String> tags,
            Tokenizer tokenizer) {
        requireAny(messages);
        ChatText text = new ChatText(tokenizer, tags);
        Map<String, Object> names = names(text, messages, tools);
        names.put("add_generation_prompt", true);
        return text.parts(render(parse(), names), List.of());
    }

    /**
     * A whole chat as a model learns from it: its tokens in order, of which those of the
     * assistant's turns are to be learned, with the token that ends each. What they are follows
     * from the template's {@code generation} marks; where it has none, a turn is what the chat up
     * to it has more than the chat that asks for it. The first turn answers nobody and is not
     * learned.
     *
     * @param tags that stand for something else than text where messages have them
     * @throws IllegalArgumentException where there is nothing to learn, the template refuses the
     *     messages, or it writes a turn in another way when others follow
     */
    public List<ChatText.Part> learn(
            List<Map<String, Object>> messages,
            List<Object> tools,
            List<String> tags,
            Tokenizer tokenizer) {
        requireAny(messages);
        ChatText text = new ChatText(tokenizer, tags);
        Map<String, Object> names = names(text, messages, tools);
        JinjaTemplate parsed = parse();
        names.put("add_generation_prompt", false);
        String whole = render(parsed, names);
        List<ChatText.Span> spans =
                GENERATION.matcher(template).find()
                        ? marked(parsed, names, whole)
                        : turns(parsed, names, whole);
        if (spans.isEmpty()) {
            throw new IllegalArgumentException("a chat needs an answer of the assistant");
        }
        return text.parts(whole, spans);
    }

    private List<ChatText.Span> marked(
            JinjaTemplate parsed, Map<String, Object> names, String whole) {
        names.put(ChatText.MARKS, true);
        StringBuilder plain = new StringBuilder();
        List<ChatText.Span> spans = new ArrayList<>();
        int from = 0;
        for (char c : render(parsed, names).toCharArray()) {
            switch (c) {
                case ChatText.OPEN -> from = plain.length();
                case ChatText.CLOSE -> spans.add(new ChatText.Span(from, plain.length()));
                default -> plain.append(c);
            }
        }
        if (!plain.toString().equals(whole)) {
            throw new IllegalArgumentException(
                    "the chat template changes what stands between its generation marks");
        }
        return spans;
    }

    private List<ChatText.Span> turns(
            JinjaTemplate parsed, Map<String, Object> names, String whole) {
        List<?> messages = (List<?>) names.get("messages");
        List<ChatText.Span> spans = new ArrayList<>();
        for (int i = 1; i < messages.size(); i++) {
            if (!(messages.get(i) instanceof Map<?, ?> message)
                    || !"assistant".equals(message.get("role"))) {
                continue;
            }
            names.put("messages", messages.subList(0, i));
            names.put("add_generation_prompt", true);
            String asked = render(parsed, names);
            names.put("messages", messages.subList(0, i + 1));
            names.put("add_generation_prompt", false);
            String answered = i == messages.size() - 1 ? whole : render(parsed, names);
            if (!answered.startsWith(asked) || !whole.startsWith(answered)) {
                throw new IllegalArgumentException(
                        "the chat template writes what comes before and in message %d in another way when more follows, so that what is to be learned cannot be told: give a template with generation marks"
                                .formatted(i + 1));
            }
            spans.add(new ChatText.Span(asked.length(), answered.length()));
        }
        return spans;
    }

    private static void requireAny(List<?> messages) {
        if (messages.isEmpty()) {
            throw new IllegalArgumentException("a chat needs at least one message");
        }
    }

    private Map<String, Object> names(
            ChatText text, List<Map<String, Object>> messages, List<Object> tools) {
        Map<String, Object> names = text.tokenNames();
        names.putAll(tokens);
        names.put("messages", text.hide(messages));
        // Transformers names these two whether or not there are any.
        names.put("tools", text.hide(tools));
        names.put("documents", null);
        return names;
    }

    private JinjaTemplate parse() {
        try {
            return JinjaTemplate.parse(template);
        } catch (JinjaException e) {
            throw failed(e);
        }
    }

    private static String render(JinjaTemplate parsed, Map<String, Object> names) {
        try {
            return parsed.render(names);
        } catch (JinjaException e) {
            throw failed(e);
        }
    }

    private static IllegalArgumentException failed(JinjaException e) {
        return new IllegalArgumentException(
                "the chat template fails at line %d: %s".formatted(e.line(), e.getMessage()), e);
    }
}
