package org.ringworld.tokenizer.chat;

import java.time.LocalDateTime;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ringworld.tokenizer.chat.JinjaParser.Statement;
import org.ringworld.tokenizer.chat.values.JinjaArguments;
import org.ringworld.tokenizer.chat.values.JinjaArguments.Callable;
import org.ringworld.tokenizer.chat.values.JinjaGroups;
import org.ringworld.tokenizer.chat.values.JinjaRange;
import org.ringworld.tokenizer.chat.values.JinjaValues;

/**
 * A template in the language that Transformers documents for chat templates: Jinja2 with {@code
 * trim_blocks}, {@code lstrip_blocks}, loop controls and the tag {@code generation}, where values
 * cannot be changed and nothing but what is given can be reached. What it does not know is refused
 * by name.
 */
final class JinjaTemplate {
    /** What one rendering may spend: a second of work, and more where it is given much. */
    private static final long MOST = 1L << 24;

    private static final long MOST_OF_A_CHARACTER = 100;

    private final Statement body;

    private JinjaTemplate(Statement body) {
        this.body = body;
    }

    /**
     * @throws JinjaException with its line where the template is not one
     */
    static JinjaTemplate parse(String source) {
        return new JinjaTemplate(deep(() -> JinjaParser.parse(source)));
    }

    /**
     * The template's text.
     *
     * @param names values by their name: null, Boolean, Long, Double, String, List and Map of these
     * @throws JinjaException with its line where it fails, or refuses what it is given
     */
    String render(Map<String, ?> names) {
        JinjaScope scope = new JinjaScope(globals());
        names.forEach(scope::set);
        long most = MOST + MOST_OF_A_CHARACTER * characters(names);
        return deep(() -> JinjaBudget.within(most, () -> JinjaParser.text(body, scope)));
    }

    private static long characters(Object given) {
        return switch (given) {
            case String text -> text.length();
            case Map<?, ?> map -> map.values().stream().mapToLong(JinjaTemplate::characters).sum();
            case List<?> list -> list.stream().mapToLong(JinjaTemplate::characters).sum();
            case null, default -> 1;
        };
    }

    /** Expressions are as deep as they are long; only very long ones come to the stack's end. */
    private static <T> T deep(java.util.function.Supplier<T> work) {
        try {
            return work.get();
        } catch (StackOverflowError e) {
            throw JinjaException.of("is nested too deep");
        }
    }

    private static JinjaScope globals() {
        JinjaScope globals = new JinjaScope(null);
        globals.set(
                "namespace",
                (Callable)
                        a -> new JinjaValues.Namespace(map(a, (map, key) -> String.valueOf(key))));
        globals.set("dict", (Callable) a -> map(a, JinjaValues::key));
        globals.set("range", (Callable) JinjaRange::of);
        globals.set("joiner", (Callable) JinjaGroups::joiner);
        globals.set("cycler", (Callable) JinjaGroups::cycler);
        globals.set("raise_exception", (Callable) JinjaTemplate::refuse);
        globals.set(
                "strftime_now",
                (Callable) a -> JinjaTime.format(LocalDateTime.now(), a.take("format").text(0)));
        return globals;
    }

    private static Object refuse(JinjaArguments arguments) {
        throw JinjaException.of("%s", JinjaValues.str(arguments.take("message").need(0)));
    }

    private static <K> Map<K, Object> map(
            JinjaArguments arguments, java.util.function.BiFunction<Map<?, ?>, Object, K> key) {
        Map<K, Object> map = new LinkedHashMap<>();
        for (Object given : arguments.positional()) {
            if (given instanceof Map<?, ?> other) {
                other.forEach((name, value) -> map.put(key.apply(map, name), value));
            } else {
                for (Object pair : JinjaValues.items(given)) {
                    map.put(key.apply(map, JinjaValues.item(pair, 0L)), JinjaValues.item(pair, 1L));
                }
            }
        }
        arguments.named().forEach((name, value) -> map.put(key.apply(map, name), value));
        return map;
    }
}
