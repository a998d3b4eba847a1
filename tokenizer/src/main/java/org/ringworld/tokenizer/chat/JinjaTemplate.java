package org.ringworld.tokenizer.chat;

import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.ringworld.tokenizer.chat.JinjaParser.Statement;
import org.ringworld.tokenizer.chat.values.JinjaArguments;
import org.ringworld.tokenizer.chat.values.JinjaArguments.Bound;
import org.ringworld.tokenizer.chat.values.JinjaArguments.Callable;
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
    private static final int LONGEST_RANGE = 100_000;
    private static final Pattern TIME = Pattern.compile("%(-?.)");

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
                "namespace", (Callable) a -> new JinjaValues.Namespace(map(a, String::valueOf)));
        globals.set("dict", (Callable) a -> map(a, key -> key));
        globals.set("range", (Callable) JinjaTemplate::range);
        globals.set("raise_exception", (Callable) JinjaTemplate::refuse);
        globals.set("strftime_now", (Callable) a -> now(a.take("format").text(0)));
        return globals;
    }

    private static Object refuse(JinjaArguments arguments) {
        throw JinjaException.of("%s", JinjaValues.str(arguments.take("message").need(0)));
    }

    private static <K> Map<K, Object> map(
            JinjaArguments arguments, java.util.function.Function<Object, K> key) {
        Map<K, Object> map = new LinkedHashMap<>();
        for (Object given : arguments.positional()) {
            if (given instanceof Map<?, ?> other) {
                other.forEach((name, value) -> map.put(key.apply(name), value));
            } else {
                for (Object pair : JinjaValues.items(given)) {
                    map.put(key.apply(JinjaValues.item(pair, 0L)), JinjaValues.item(pair, 1L));
                }
            }
        }
        arguments.named().forEach((name, value) -> map.put(key.apply(name), value));
        return map;
    }

    private static Object range(JinjaArguments arguments) {
        Bound bound = arguments.take("start", "stop", "step");
        boolean one = arguments.positional().size() == 1;
        long from = one ? 0 : JinjaValues.index(bound.need(0));
        long to = JinjaValues.index(bound.need(one ? 0 : 1));
        long step = bound.number(2, 1);
        if (step == 0) {
            throw JinjaException.of("a range's step is zero");
        }
        List<Object> numbers = new ArrayList<>();
        for (long n = from; step > 0 ? n < to : n > to; n += step) {
            numbers.add(n);
            if (numbers.size() > LONGEST_RANGE) {
                throw JinjaException.of("a range has more than %d numbers", LONGEST_RANGE);
            }
        }
        return numbers;
    }

    /** Python's {@code strftime} of this moment. */
    private static String now(String format) {
        LocalDateTime now = LocalDateTime.now();
        return TIME.matcher(format)
                .replaceAll(found -> Matcher.quoteReplacement(part(now, found.group(1))));
    }

    private static String part(LocalDateTime now, String code) {
        String pattern =
                switch (code) {
                    case "d" -> "dd";
                    case "-d" -> "d";
                    case "e" -> "ppd";
                    case "m" -> "MM";
                    case "-m" -> "M";
                    case "b", "h" -> "MMM";
                    case "B" -> "MMMM";
                    case "y" -> "yy";
                    case "Y" -> "yyyy";
                    case "a" -> "EEE";
                    case "A" -> "EEEE";
                    case "j" -> "DDD";
                    case "H" -> "HH";
                    case "-H" -> "H";
                    case "I" -> "hh";
                    case "-I" -> "h";
                    case "M" -> "mm";
                    case "S" -> "ss";
                    case "p" -> "a";
                    case "D" -> "MM/dd/yy";
                    case "F" -> "yyyy-MM-dd";
                    case "R" -> "HH:mm";
                    case "T" -> "HH:mm:ss";
                    case "f" -> "SSSSSS";
                    case "c" -> "EEE MMM ppd HH:mm:ss yyyy";
                    case "%" -> "'%'";
                    case "z", "Z" -> "";
                    default ->
                            throw JinjaException.of("the part %%%s of a time is not known", code);
                };
        return pattern.isEmpty() ? "" : now.format(DateTimeFormatter.ofPattern(pattern, Locale.US));
    }
}
