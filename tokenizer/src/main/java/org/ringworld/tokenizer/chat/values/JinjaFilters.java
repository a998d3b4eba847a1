package org.ringworld.tokenizer.chat.values;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import org.ringworld.tokenizer.chat.JinjaBudget;
import org.ringworld.tokenizer.chat.JinjaException;
import org.ringworld.tokenizer.chat.values.JinjaArguments.Bound;
import org.ringworld.tokenizer.chat.values.JinjaValues.Lazy;
import org.ringworld.tokenizer.chat.values.JinjaValues.Undefined;

/** What can stand after {@code |}. */
public final class JinjaFilters {
    private static final Pattern WORD_BEGINS =
            Pattern.compile("(?<=[-\\s({\\[<])(?![-\\s({\\[<])|^");

    /** A filter. */
    @FunctionalInterface
    private interface Filter {
        Object apply(Object value, JinjaArguments arguments);
    }

    private static final Map<String, Filter> FILTERS = new LinkedHashMap<>();
    static final Set<String> NAMES = FILTERS.keySet();

    static {
        text("upper", s -> s.toUpperCase(Locale.ROOT));
        text("lower", s -> s.toLowerCase(Locale.ROOT));
        text("capitalize", JinjaStrings::capitalize);
        text("title", JinjaFilters::title);
        text("string", s -> s);
        text("safe", s -> s);
        text("escape", JinjaFilters::escape);
        text("e", JinjaFilters::escape);
        FILTERS.put(
                "trim",
                (v, a) ->
                        JinjaText.strip(
                                JinjaValues.str(v), a.take("chars").text(0, null), true, true));
        FILTERS.put("replace", (v, a) -> replace(v, a.take("old", "new", "count")));
        FILTERS.put(
                "center",
                (v, a) ->
                        JinjaStrings.padded(
                                JinjaValues.str(v),
                                a.take("width").number(0, 80),
                                " ",
                                true,
                                true));
        FILTERS.put("indent", (v, a) -> indent(v, a.take("width", "first", "blank")));
        FILTERS.put(
                "truncate", (v, a) -> truncate(v, a.take("length", "killwords", "end", "leeway")));
        FILTERS.put(
                "wordcount",
                (v, a) ->
                        Pattern.compile("(?U)\\w+").matcher(JinjaValues.str(v)).results().count());
        FILTERS.put(
                "format",
                (v, a) ->
                        JinjaFormat.percent(
                                JinjaValues.str(v),
                                a.named().isEmpty()
                                        ? new JinjaValues.Tuple(a.positional())
                                        : a.named()));
        FILTERS.put("urlencode", JinjaFilters::urlEncoded);
        FILTERS.put("tojson", JinjaJson::write);
        FILTERS.put("length", (v, a) -> JinjaValues.length(v));
        FILTERS.put("count", (v, a) -> JinjaValues.length(v));
        FILTERS.put("list", (v, a) -> JinjaValues.items(v));
        FILTERS.put("items", JinjaFilters::pairs);
        FILTERS.put(
                "dictsort", (v, a) -> sortedPairs(v, a.take("case_sensitive", "by", "reverse")));
        FILTERS.put("first", (v, a) -> end(JinjaValues.items(v), true));
        FILTERS.put("last", (v, a) -> end(JinjaValues.items(v), false));
        FILTERS.put("reverse", (v, a) -> reversed(v));
        FILTERS.put("join", (v, a) -> join(v, a.take("d", "attribute")));
        FILTERS.put("sort", (v, a) -> sorted(v, a.take("reverse", "case_sensitive", "attribute")));
        FILTERS.put("unique", (v, a) -> unique(v, a.take("case_sensitive", "attribute")));
        FILTERS.put("min", (v, a) -> extreme(v, a.take("case_sensitive", "attribute"), -1));
        FILTERS.put("max", (v, a) -> extreme(v, a.take("case_sensitive", "attribute"), 1));
        FILTERS.put(
                "groupby",
                (v, a) -> JinjaGroups.by(v, a.take("attribute", "default", "case_sensitive")));
        FILTERS.put("batch", (v, a) -> JinjaGroups.batches(v, a.take("linecount", "fill_with")));
        FILTERS.put("slice", (v, a) -> JinjaGroups.slices(v, a.take("slices", "fill_with")));
        FILTERS.put("sum", (v, a) -> sum(v, a.take("attribute", "start")));
        FILTERS.put("map", JinjaFilters::map);
        FILTERS.put("select", (v, a) -> chosen(v, a, false, true));
        FILTERS.put("reject", (v, a) -> chosen(v, a, false, false));
        FILTERS.put("selectattr", (v, a) -> chosen(v, a, true, true));
        FILTERS.put("rejectattr", (v, a) -> chosen(v, a, true, false));
        FILTERS.put("attr", (v, a) -> attr(v, a.take("name").text(0)));
        FILTERS.put("default", (v, a) -> otherwise(v, a.take("default_value", "boolean")));
        FILTERS.put("d", FILTERS.get("default"));
        FILTERS.put(
                "abs",
                (v, a) -> JinjaOperators.order(v, 0L) < 0 ? JinjaOperators.binary("-", 0L, v) : v);
        FILTERS.put("int", (v, a) -> JinjaNumbers.whole(v, a.take("default", "base")));
        FILTERS.put("float", (v, a) -> JinjaNumbers.real(v, a.take("default").get(0, 0.0)));
        FILTERS.put("round", (v, a) -> JinjaNumbers.rounded(v, a.take("precision", "method")));
    }

    private JinjaFilters() {}

    private static void text(String name, UnaryOperator<String> made) {
        FILTERS.put(
                name,
                (value, arguments) -> {
                    arguments.take();
                    return made.apply(JinjaValues.str(value));
                });
    }

    /**
     * @throws JinjaException where no filter has the name, or this one cannot be applied
     */
    public static Object apply(String name, Object value, JinjaArguments arguments) {
        Filter filter = FILTERS.get(name);
        if (filter == null) {
            throw JinjaException.of("the filter %s is not known", name);
        }
        return filter.apply(value, arguments);
    }

    private static String title(String s) {
        StringBuilder out = new StringBuilder();
        for (String word : WORD_BEGINS.split(s)) {
            if (!word.isEmpty()) {
                int rest = word.offsetByCodePoints(0, 1);
                out.append(word.substring(0, rest).toUpperCase(Locale.ROOT))
                        .append(word.substring(rest).toLowerCase(Locale.ROOT));
            }
        }
        return out.toString();
    }

    private static String escape(String s) {
        return s.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("'", "&#39;")
                .replace("\"", "&#34;");
    }

    private static String urlEncoded(Object value, JinjaArguments arguments) {
        arguments.take();
        if (!(value instanceof Map) && !(value instanceof List)) {
            return JinjaText.urlQuoted(JinjaValues.str(value), false);
        }
        List<String> parts = new ArrayList<>();
        for (Object pair :
                value instanceof Map<?, ?> map ? JinjaValues.pairs(map) : (List<?>) value) {
            List<Object> two = JinjaValues.items(pair);
            if (two.size() != 2) {
                throw JinjaException.of("urlencode takes a text or pairs");
            }
            parts.add(
                    JinjaText.urlQuoted(JinjaValues.str(two.get(0)), true)
                            + "="
                            + JinjaText.urlQuoted(JinjaValues.str(two.get(1)), true));
        }
        return String.join("&", parts);
    }

    private static String replace(Object value, Bound bound) {
        return JinjaStrings.replace(
                JinjaValues.str(value),
                JinjaValues.str(bound.need(0)),
                JinjaValues.str(bound.need(1)),
                bound.number(2, -1));
    }

    private static String indent(Object value, Bound bound) {
        String by =
                bound.get(0, 4L) instanceof String text
                        ? text
                        : " ".repeat(Math.clamp(bound.number(0, 4), 0, 1000));
        boolean blank = bound.flag(2, false);
        List<String> lines = new ArrayList<>();
        for (Object line : JinjaStrings.lines(JinjaValues.str(value) + "\n", false)) {
            boolean moved = lines.isEmpty() ? bound.flag(1, false) : blank || !line.equals("");
            JinjaBudget.spend(by.length());
            lines.add(moved ? by + line : (String) line);
        }
        return String.join("\n", lines);
    }

    private static String truncate(Object value, Bound bound) {
        String text = JinjaValues.str(value);
        int length = bound.number(0, 255);
        String end = bound.text(2, "...");
        if (JinjaValues.length(text) <= (long) length + bound.number(3, 5)) {
            return text;
        }
        int kept = length - (int) JinjaValues.length(end);
        if (kept < 0) {
            throw JinjaException.of("truncate keeps at least the length of its end");
        }
        String cut = JinjaText.slice(text, 0, kept);
        int space = bound.flag(1, false) ? -1 : cut.lastIndexOf(' ');
        return (space < 0 ? cut : cut.substring(0, space)) + end;
    }

    private static Object pairs(Object value, JinjaArguments arguments) {
        if (value instanceof Undefined) {
            return new Lazy(List.of());
        }
        if (value instanceof Map<?, ?> map) {
            return new Lazy(JinjaValues.pairs(map));
        }
        throw JinjaException.of("%s has no items", JinjaValues.type(value));
    }

    private static Object sortedPairs(Object value, Bound bound) {
        if (!(value instanceof Map<?, ?> map)) {
            throw JinjaException.of("%s has no items", JinjaValues.type(value));
        }
        long by = bound.text(1, "key").equals("key") ? 0L : 1L;
        List<Object> pairs = JinjaValues.pairs(map);
        Comparator<Object> order =
                Comparator.comparing(
                        pair -> folded(JinjaValues.item(pair, by), bound.flag(0, false)),
                        JinjaOperators::order);
        pairs.sort(bound.flag(2, false) ? order.reversed() : order);
        return pairs;
    }

    static Object folded(Object value, boolean caseSensitive) {
        return !caseSensitive && value instanceof String text
                ? text.toLowerCase(Locale.ROOT)
                : value;
    }

    private static Object end(List<Object> items, boolean first) {
        if (items.isEmpty()) {
            return JinjaValues.undefined("there is no item, the sequence is empty");
        }
        return first ? items.getFirst() : items.getLast();
    }

    private static Object reversed(Object value) {
        return value instanceof String text
                ? new StringBuilder(text).reverse().toString()
                : new Lazy(JinjaValues.items(value).reversed());
    }

    private static String join(Object value, Bound bound) {
        List<String> texts = new ArrayList<>();
        String between = JinjaValues.str(bound.get(0, ""));
        for (Object item : JinjaValues.items(value)) {
            String text = JinjaValues.str(at(item, bound.get(1, null)));
            JinjaBudget.spend(text.length() + between.length());
            texts.add(text);
        }
        return String.join(between, texts);
    }

    /** A part of a value: its attribute, index, or a path of them with dots. */
    static Object at(Object value, Object path) {
        if (!(path instanceof String text)) {
            return path == null ? value : JinjaValues.item(value, path);
        }
        Object part = value;
        for (String name : text.split("\\.", -1)) {
            part =
                    JinjaValues.item(
                            part, name.matches("[0-9]{1,9}") ? (Object) Long.valueOf(name) : name);
        }
        return part;
    }

    private static Comparator<Object> byPart(Object path, boolean caseSensitive) {
        return Comparator.comparing(
                item -> folded(at(item, path), caseSensitive), JinjaOperators::order);
    }

    private static Object sorted(Object value, Bound bound) {
        List<Object> items = JinjaValues.items(value);
        Comparator<Object> order = (a, b) -> 0;
        Object paths = bound.get(2, null);
        for (String path : paths instanceof String text ? text.split(",") : new String[] {null}) {
            order = order.thenComparing(byPart(path == null ? paths : path, bound.flag(1, false)));
        }
        List<Object> sorted = new ArrayList<>(items);
        sorted.sort(bound.flag(0, false) ? order.reversed() : order);
        return sorted;
    }

    private static Object unique(Object value, Bound bound) {
        List<Object> kept = new ArrayList<>();
        Map<Object, Object> seen = new HashMap<>();
        for (Object item : JinjaValues.items(value)) {
            Object part = folded(at(item, bound.get(1, null)), bound.flag(0, false));
            if (seen.put(JinjaValues.key(seen, part), item) == null) {
                kept.add(item);
            }
        }
        return new Lazy(kept);
    }

    private static Object extreme(Object value, Bound bound, int sign) {
        Object best = null;
        List<Object> items = JinjaValues.items(value);
        Comparator<Object> order = byPart(bound.get(1, null), bound.flag(0, false));
        for (int i = 0; i < items.size(); i++) {
            if (i == 0 || order.compare(items.get(i), best) * sign > 0) {
                best = items.get(i);
            }
        }
        return items.isEmpty() ? end(items, true) : best;
    }

    private static Object sum(Object value, Bound bound) {
        Object sum = bound.get(1, 0L);
        for (Object item : JinjaValues.items(value)) {
            sum = JinjaOperators.binary("+", sum, at(item, bound.get(0, null)));
        }
        return sum;
    }

    private static Object map(Object value, JinjaArguments arguments) {
        List<Object> made = new ArrayList<>();
        boolean attribute =
                arguments.positional().isEmpty() && arguments.named().containsKey("attribute");
        Bound bound = attribute ? arguments.take("attribute", "default") : null;
        if (!attribute && arguments.positional().isEmpty()) {
            throw JinjaException.of("map needs a filter or an attribute");
        }
        for (Object item : JinjaValues.items(value)) {
            JinjaBudget.spend(8);
            if (!attribute) {
                String name = JinjaValues.str(arguments.positional().getFirst());
                made.add(apply(name, item, arguments.rest()));
            } else {
                Object part = at(item, bound.get(0, null));
                made.add(part instanceof Undefined ? bound.get(1, part) : part);
            }
        }
        return new Lazy(made);
    }

    private static Object chosen(
            Object value, JinjaArguments arguments, boolean byAttribute, boolean wanted) {
        JinjaArguments rest = arguments;
        if (byAttribute && arguments.positional().isEmpty()) {
            throw JinjaException.of("an attribute is missing");
        }
        Object path = byAttribute ? arguments.positional().getFirst() : null;
        rest = byAttribute ? rest.rest() : rest;
        List<Object> kept = new ArrayList<>();
        for (Object item : JinjaValues.items(value)) {
            JinjaBudget.spend(8);
            Object part = at(item, path);
            boolean is =
                    rest.positional().isEmpty()
                            ? JinjaValues.truth(part)
                            : JinjaTests.test(
                                    JinjaValues.str(rest.positional().getFirst()),
                                    part,
                                    rest.rest());
            if (is == wanted) {
                kept.add(item);
            }
        }
        return new Lazy(kept);
    }

    private static Object attr(Object value, String name) {
        return value instanceof Map
                ? JinjaValues.undefined("dict has no %s", name)
                : JinjaValues.attribute(value, name);
    }

    private static Object otherwise(Object value, Bound bound) {
        boolean missing =
                value instanceof Undefined || bound.flag(1, false) && !JinjaValues.truth(value);
        return missing ? bound.get(0, "") : value;
    }
}
