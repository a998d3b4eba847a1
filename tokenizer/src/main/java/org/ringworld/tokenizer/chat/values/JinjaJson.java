package org.ringworld.tokenizer.chat.values;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.ringworld.tokenizer.chat.JinjaBudget;
import org.ringworld.tokenizer.chat.JinjaException;

/**
 * {@code tojson} as Transformers has it: Python's {@code json.dumps} with {@code
 * ensure_ascii=False}, and no escapes for HTML.
 */
final class JinjaJson {
    private final boolean ascii;
    private final String indent;
    private final String comma;
    private final String colon;
    private final boolean sorted;
    private final StringBuilder out = new StringBuilder();

    private JinjaJson(JinjaArguments.Bound bound) {
        ascii = bound.flag(0, false);
        Object wanted = bound.get(1, null);
        indent =
                wanted == null || wanted instanceof String
                        ? (String) wanted
                        : " ".repeat(Math.clamp(JinjaValues.index(wanted), 0, 100));
        Object separators = bound.get(2, null);
        List<Object> two =
                separators == null
                        ? List.of(indent == null ? ", " : ",", ": ")
                        : JinjaValues.items(separators);
        if (two.size() != 2) {
            throw JinjaException.of("tojson takes two separators");
        }
        comma = JinjaValues.str(two.get(0));
        colon = JinjaValues.str(two.get(1));
        sorted = bound.flag(3, false);
    }

    static String write(Object value, JinjaArguments arguments) {
        JinjaJson json =
                new JinjaJson(arguments.take("ensure_ascii", "indent", "separators", "sort_keys"));
        json.value(value, 0);
        return json.out.toString();
    }

    private void value(Object value, int depth) {
        JinjaBudget.spend(4);
        switch (value) {
            case null -> out.append("null");
            case Boolean b -> out.append(b);
            case Long l -> out.append(l);
            case Double d -> out.append(number(d));
            case String s -> string(s);
            case List<?> list when !(list instanceof JinjaRange) -> {
                List<Runnable> parts = new ArrayList<>();
                list.forEach(one -> parts.add(() -> value(one, depth + 1)));
                all('[', parts, ']', depth);
            }
            case Map<?, ?> map -> {
                List<Map.Entry<?, ?>> entries = new ArrayList<>(map.entrySet());
                if (sorted) {
                    entries.sort((a, b) -> JinjaOperators.order(a.getKey(), b.getKey()));
                }
                List<Runnable> parts = new ArrayList<>();
                entries.forEach(
                        entry ->
                                parts.add(
                                        () -> {
                                            string(key(entry.getKey()));
                                            out.append(colon);
                                            value(entry.getValue(), depth + 1);
                                        }));
                all('{', parts, '}', depth);
            }
            default ->
                    throw JinjaException.of(
                            "%s cannot be written as JSON", JinjaValues.type(value));
        }
    }

    private void all(char open, List<Runnable> parts, char close, int depth) {
        out.append(open);
        for (int i = 0; i < parts.size(); i++) {
            out.append(i == 0 ? "" : comma);
            line(depth + 1);
            parts.get(i).run();
        }
        if (!parts.isEmpty()) {
            line(depth);
        }
        out.append(close);
    }

    private void line(int depth) {
        if (indent != null) {
            JinjaBudget.spend((long) depth * indent.length());
            out.append('\n').repeat(indent, depth);
        }
    }

    private static String key(Object key) {
        return switch (key) {
            case null -> "null";
            case String text -> text;
            case Boolean truth -> truth.toString();
            case Long number -> number.toString();
            case Double number -> number(number);
            default -> throw JinjaException.of("%s is no key of JSON", JinjaValues.type(key));
        };
    }

    private static String number(double value) {
        return Double.isNaN(value)
                ? "NaN"
                : Double.isInfinite(value)
                        ? value > 0 ? "Infinity" : "-Infinity"
                        : JinjaText.decimal(value);
    }

    private void string(String text) {
        JinjaBudget.spend(text.length());
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            int simple = "\"\\\n\r\t\f\b".indexOf(c);
            if (simple >= 0) {
                out.append('\\').append("\"\\nrtfb".charAt(simple));
            } else if (c < 0x20 || ascii && c > 0x7e) {
                out.append(c == 0x7f ? "\u007f" : "\\u%04x".formatted((int) c));
            } else {
                out.append(c);
            }
        }
        out.append('"');
    }
}
