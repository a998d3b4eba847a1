package org.ringworld.tokenizer.chat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
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
public final class ChatTemplate {
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

    // Characters that Unicode keeps free for uses such as this; hidden themselves where they come.
    private static final String HIDE = "\ufdd0";
    private static final String END = "\ufdd1";
    private static final Pattern HIDDEN = Pattern.compile(HIDE + "([0-9]+)" + END);

    private final String template;
    private final Map<String, String> tokens;

    private ChatTemplate(String template, Map<String, String> tokens) {
        this.template = template;
        this.tokens = tokens;
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
        if (messages.isEmpty()) {
            throw new IllegalArgumentException("a chat needs at least one message");
        }
        Map<String, Integer> specials = tokenizer.specialTokens();
        List<String> literals = new ArrayList<>(specials.keySet());
        literals.sort(Comparator.comparingInt(String::length).reversed());
        Pattern written = pattern(literals);
        literals.add(HIDE);
        Pattern hidden = pattern(literals);
        Map<String, Object> names = new HashMap<>();
        // Where none is known to begin a text, the one that ends it stands for it in packing.
        boolean begins = tokenizer.bos() != tokenizer.eos();
        names.put("bos_token", begins ? text(specials, tokenizer.bos()) : "");
        names.put("eos_token", text(specials, tokenizer.eos()));
        names.putAll(tokens);
        names.put("messages", hide(messages, hidden, literals));
        // Transformers names these two whether or not there are any.
        names.put("tools", hide(tools, hidden, literals));
        names.put("documents", null);
        names.put("add_generation_prompt", true);
        String text = render(names);
        IntList ids = new IntList();
        int from = 0;
        for (MatchResult special : written.matcher(text).results().toList()) {
            add(ids, tokenizer, text.substring(from, special.start()), literals);
            ids.add(specials.get(special.group()));
            from = special.end();
        }
        add(ids, tokenizer, text.substring(from), literals);
        return ids.toArray();
    }

    /** Matches any of the texts; nothing where there are none. */
    private static Pattern pattern(List<String> texts) {
        return Pattern.compile(
                texts.isEmpty()
                        ? "(?!)"
                        : texts.stream().map(Pattern::quote).collect(Collectors.joining("|")));
    }

    private static String text(Map<String, Integer> specials, int id) {
        return specials.entrySet().stream()
                .filter(special -> special.getValue() == id)
                .map(Map.Entry::getKey)
                .findFirst()
                .orElse("");
    }

    /** In all texts of a value. */
    private static Object hide(Object value, Pattern hidden, List<String> literals) {
        return switch (value) {
            case String text ->
                    hidden.matcher(text).replaceAll(m -> HIDE + literals.indexOf(m.group()) + END);
            case List<?> list -> {
                List<Object> safe = new ArrayList<>();
                list.forEach(one -> safe.add(hide(one, hidden, literals)));
                yield safe;
            }
            case Map<?, ?> map -> {
                Map<Object, Object> safe = new LinkedHashMap<>();
                map.forEach(
                        (key, one) ->
                                safe.put(hide(key, hidden, literals), hide(one, hidden, literals)));
                yield safe;
            }
            case null, default -> value;
        };
    }

    private static void add(IntList ids, Tokenizer tokenizer, String part, List<String> literals) {
        if (part.isEmpty()) {
            return;
        }
        String shown =
                HIDDEN.matcher(part)
                        .replaceAll(
                                m ->
                                        Matcher.quoteReplacement(
                                                literals.get(Integer.parseInt(m.group(1)))));
        IntStream.of(tokenizer.encode(shown)).forEach(ids::add);
    }

    private String render(Map<String, Object> names) {
        try {
            return JinjaTemplate.parse(template).render(names);
        } catch (JinjaException e) {
            throw new IllegalArgumentException(
                    "the chat template fails at line %d: %s".formatted(e.line(), e.getMessage()),
                    e);
        }
    }
}
