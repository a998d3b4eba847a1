package org.ringworld.tokenizer.chat.values;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.IllegalFormatException;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.ringworld.tokenizer.chat.JinjaBudget;
import org.ringworld.tokenizer.chat.JinjaException;

/** Python's older way of putting values into a text. */
final class JinjaFormat {
    private static final Pattern FORMAT =
            Pattern.compile(
                    "%(?:\\((?<key>[^()]*)\\))?(?<flags>[-+ 0#]*)(?<width>[0-9]{0,3})"
                            + "(?:\\.(?<places>[0-9]{1,3}))?(?<type>.)",
                    Pattern.DOTALL);

    private JinjaFormat() {}

    /** Python's {@code format % values}. */
    static String percent(String format, Object values) {
        List<?> given =
                values instanceof JinjaValues.Tuple tuple
                        ? tuple
                        : List.of(values == null ? "None" : values);
        int[] next = {0};
        String made =
                FORMAT.matcher(format)
                        .replaceAll(
                                found ->
                                        Matcher.quoteReplacement(
                                                place(found, values, given, next)));
        if (next[0] < given.size() && !(values instanceof Map)) {
            throw JinjaException.of("a format has fewer places than values");
        }
        return made;
    }

    private static String place(MatchResult found, Object values, List<?> given, int[] next) {
        if (found.group("type").equals("%")) {
            return "%";
        }
        String key = found.group("key");
        String made = formatted(found, key == null ? one(given, next[0]++) : named(values, key));
        JinjaBudget.spend(8 + made.length());
        return made;
    }

    private static Object one(List<?> values, int index) {
        if (index >= values.size()) {
            throw JinjaException.of("a format has more places than values");
        }
        return values.get(index);
    }

    private static Object named(Object values, String key) {
        if (values instanceof Map<?, ?> map && map.containsKey(key)) {
            return map.get(key);
        }
        throw JinjaException.of("a format has the place %s, and no value for it", key);
    }

    private static String formatted(MatchResult found, Object value) {
        String flags = found.group("flags");
        String width = found.group("width");
        String precision = found.group("places") == null ? "" : "." + found.group("places");
        String java = "%" + flags + width;
        try {
            return switch (found.group("type")) {
                case "s", "r" -> {
                    String text =
                            found.group("type").equals("s")
                                    ? JinjaValues.str(value)
                                    : JinjaValues.repr(value);
                    yield ("%" + flags.replaceAll("[^-]", "") + width + precision + "s")
                            .formatted(text);
                }
                case "d", "i" -> (java + "d").formatted((long) JinjaOperators.real(number(value)));
                case "x", "X", "o" ->
                        (java + found.group("type"))
                                .formatted((long) JinjaOperators.real(number(value)));
                case "f", "F" ->
                        (java + precision + "f").formatted(decimal(value, found.group("places")));
                default ->
                        throw JinjaException.of(
                                "the format %%%s is not known", found.group("type"));
            };
        } catch (IllegalFormatException e) {
            throw JinjaException.of("the format %s cannot be followed", found.group());
        }
    }

    /** Rounded as C does: to the even digit in the middle. */
    private static BigDecimal decimal(Object value, String places) {
        double real = JinjaOperators.real(number(value));
        if (!Double.isFinite(real)) {
            throw JinjaException.of("%s has no digits", JinjaText.decimal(real));
        }
        return new BigDecimal(real)
                .setScale(places == null ? 6 : Integer.parseInt(places), RoundingMode.HALF_EVEN);
    }

    private static Object number(Object value) {
        if (!JinjaValues.number(value)) {
            throw JinjaException.of("a number is wanted, not %s", JinjaValues.type(value));
        }
        return value;
    }
}
