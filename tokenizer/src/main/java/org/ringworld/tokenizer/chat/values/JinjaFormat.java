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

/** Python's two ways of putting values into a text. */
final class JinjaFormat {
    private static final Pattern FORMAT =
            Pattern.compile("%([-+ 0#]*)([0-9]{0,3})(?:\\.([0-9]{1,3}))?(.)", Pattern.DOTALL);
    private static final Pattern BRACES = Pattern.compile("\\{\\{|\\}\\}|\\{([^{}]*)\\}|[{}]");

    private JinjaFormat() {}

    /** {@code format.format(…)} with places {@code {}}, {@code {0}} and {@code {name}}. */
    static String braces(String format, JinjaArguments arguments) {
        int[] next = {0};
        String made =
                BRACES.matcher(format)
                        .replaceAll(
                                found -> Matcher.quoteReplacement(place(found, arguments, next)));
        JinjaBudget.spend(made.length());
        return made;
    }

    private static String place(MatchResult found, JinjaArguments arguments, int[] next) {
        String name = found.group(1);
        if (name == null) {
            if (found.group().length() == 1) {
                throw JinjaException.of("a format has a brace that is not closed");
            }
            return found.group().substring(1);
        }
        if (arguments.named().containsKey(name)) {
            return JinjaValues.str(arguments.named().get(name));
        }
        if (!name.matches("[0-9]{0,4}")) {
            throw JinjaException.of("the format {%s} is not known", name);
        }
        int index = name.isEmpty() ? next[0]++ : Integer.parseInt(name);
        if (index >= arguments.positional().size()) {
            throw JinjaException.of("a format has more places than values");
        }
        return JinjaValues.str(arguments.positional().get(index));
    }

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
                                                found.group(4).equals("%")
                                                        ? "%"
                                                        : formatted(found, given, next[0]++)));
        if (next[0] < given.size() && !(values instanceof Map)) {
            throw JinjaException.of("a format has fewer places than values");
        }
        return made;
    }

    private static String formatted(MatchResult found, List<?> values, int index) {
        if (index >= values.size()) {
            throw JinjaException.of("a format has more places than values");
        }
        Object value = values.get(index);
        String flags = found.group(1);
        String width = found.group(2);
        String precision = found.group(3) == null ? "" : "." + found.group(3);
        String java = "%" + flags + width;
        try {
            return switch (found.group(4)) {
                case "s", "r" -> {
                    String text =
                            found.group(4).equals("s")
                                    ? JinjaValues.str(value)
                                    : JinjaValues.repr(value);
                    yield ("%" + flags.replaceAll("[^-]", "") + width + precision + "s")
                            .formatted(text);
                }
                case "d", "i" -> (java + "d").formatted((long) JinjaOperators.real(number(value)));
                case "x", "X", "o" ->
                        (java + found.group(4))
                                .formatted((long) JinjaOperators.real(number(value)));
                case "f", "F" -> (java + precision + "f").formatted(decimal(value, found.group(3)));
                default -> throw JinjaException.of("the format %%%s is not known", found.group(4));
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
