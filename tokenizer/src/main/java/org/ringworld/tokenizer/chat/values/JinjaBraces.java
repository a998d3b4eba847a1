package org.ringworld.tokenizer.chat.values;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.ringworld.tokenizer.chat.JinjaBudget;
import org.ringworld.tokenizer.chat.JinjaException;

/** Python's {@code format.format(…)}. */
final class JinjaBraces {
    private static final Pattern FIELD =
            Pattern.compile(
                    "([^!:\\[.]*)((?:\\.[^.\\[!:]+|\\[[^\\]]+\\])*)(?:!(.))?(?::(.*))?",
                    Pattern.DOTALL);
    private static final Pattern PART = Pattern.compile("\\.([^.\\[]+)|\\[([^\\]]+)\\]");
    private static final Pattern SPEC =
            Pattern.compile(
                    "(?:(.)?([<>=^]))?([-+ ]?)(#?)(0?)([0-9]{0,4})([,_]?)"
                            + "(?:\\.([0-9]{1,3}))?([bdeEfFgGosxX%]?)",
                    Pattern.DOTALL);

    private final JinjaArguments arguments;
    private int next;

    private JinjaBraces(JinjaArguments arguments) {
        this.arguments = arguments;
    }

    static String fill(String format, JinjaArguments arguments) {
        return new JinjaBraces(arguments).fill(format, 2);
    }

    private String fill(String format, int depth) {
        StringBuilder out = new StringBuilder();
        for (int at = 0; at < format.length(); at++) {
            char c = format.charAt(at);
            if ((c == '{' || c == '}') && format.startsWith("" + c + c, at)) {
                out.append(c);
                at++;
            } else if (c == '{') {
                int end = end(format, at);
                String made = field(format.substring(at + 1, end), depth);
                JinjaBudget.spend(8 + made.length());
                out.append(made);
                at = end;
            } else if (c == '}') {
                throw JinjaException.of("a format has a brace that was not opened");
            } else {
                out.append(c);
            }
        }
        return out.toString();
    }

    private static int end(String format, int from) {
        int open = 0;
        for (int at = from; at < format.length(); at++) {
            open += format.charAt(at) == '{' ? 1 : format.charAt(at) == '}' ? -1 : 0;
            if (open == 0) {
                return at;
            }
        }
        throw JinjaException.of("a format has a brace that is not closed");
    }

    private String field(String field, int depth) {
        Matcher found = FIELD.matcher(field);
        if (depth == 0 || !found.matches()) {
            throw JinjaException.of("the format {%s} is not known", field);
        }
        Object value = argument(found.group(1));
        Matcher parts = PART.matcher(found.group(2));
        while (parts.find()) {
            String key = parts.group(2);
            value =
                    key == null
                            ? JinjaValues.attribute(value, parts.group(1))
                            : JinjaValues.item(
                                    value,
                                    key.matches("[0-9]{1,9}") ? (Object) Long.valueOf(key) : key);
        }
        String conversion = found.group(3) == null ? "" : found.group(3);
        value =
                switch (conversion) {
                    case "" -> value;
                    case "s" -> JinjaValues.str(value);
                    case "r" -> JinjaValues.repr(value);
                    default -> throw JinjaException.of("the format !%s is not known", conversion);
                };
        String spec = found.group(4) == null ? "" : fill(found.group(4), depth - 1);
        return spec.isEmpty() ? JinjaValues.str(value) : formatted(value, spec);
    }

    private Object argument(String name) {
        if (!name.matches("[0-9]{0,4}")) {
            if (arguments.named().containsKey(name)) {
                return arguments.named().get(name);
            }
            throw JinjaException.of("a format has the place %s, and no value for it", name);
        }
        if (next > 0 && !name.isEmpty() || next < 0 && name.isEmpty()) {
            throw JinjaException.of("a format has places with numbers and without");
        }
        int index = name.isEmpty() ? next++ : Integer.parseInt(name);
        next = name.isEmpty() ? next : -1;
        if (index >= arguments.positional().size()) {
            throw JinjaException.of("a format has more places than values");
        }
        return arguments.positional().get(index);
    }

    private static String formatted(Object value, String spec) {
        Matcher found = SPEC.matcher(spec);
        boolean text = value instanceof String;
        if (!found.matches() || !text && !JinjaValues.number(value)) {
            throw refused(spec, value);
        }
        boolean zeros = !found.group(5).isEmpty();
        boolean aligned = found.group(2) != null;
        String align = aligned ? found.group(2) : text ? "<" : zeros ? "=" : ">";
        String fill = found.group(1) != null ? found.group(1) : zeros ? "0" : " ";
        String sign = "";
        String body;
        if (text) {
            body = cut((String) value, found, spec);
        } else {
            double real = JinjaOperators.real(value);
            boolean negative = real < 0 || value instanceof Double && 1 / real < 0;
            sign = negative ? "-" : found.group(3).replace("-", "");
            body = digits(value, found, spec);
            if (!found.group(4).isEmpty() && found.group(9).matches("[boxX]")) {
                sign += "0" + found.group(9);
            }
        }
        int width = found.group(6).isEmpty() ? 0 : Integer.parseInt(found.group(6));
        int missing = (int) Math.max(0, width - JinjaValues.length(sign + body));
        int before =
                switch (align) {
                    case "<" -> 0;
                    case "^" -> missing / 2;
                    default -> missing;
                };
        return align.equals("=")
                ? sign + fill.repeat(missing) + body
                : fill.repeat(before) + sign + body + fill.repeat(missing - before);
    }

    private static String cut(String text, Matcher found, String spec) {
        boolean numeric = !(found.group(3) + found.group(4) + found.group(7)).isEmpty();
        if (numeric || "=".equals(found.group(2)) || !"s".contains(found.group(9))) {
            throw refused(spec, text);
        }
        int length = (int) JinjaValues.length(text);
        String most = found.group(8);
        return JinjaText.slice(
                text, 0, most == null ? length : Math.min(length, Integer.parseInt(most)));
    }

    private static JinjaException refused(String spec, Object value) {
        return JinjaException.of(
                "the format {:%s} is not known for %s", spec, JinjaValues.type(value));
    }

    /** A number's, without its sign. */
    private static String digits(Object value, Matcher found, String spec) {
        String type = found.group(9);
        boolean grouped = !found.group(7).isEmpty();
        boolean whole = !(value instanceof Double) && (type.isEmpty() || "bdoxX".contains(type));
        String digits;
        if (whole) {
            int base =
                    switch (type) {
                        case "b" -> 2;
                        case "o" -> 8;
                        case "x", "X" -> 16;
                        default -> 10;
                    };
            Object number = value instanceof Boolean truth ? (Object) (truth ? 1L : 0L) : value;
            digits = Long.toString((Long) number, base).replace("-", "");
            digits = type.equals("X") ? digits.toUpperCase(Locale.ROOT) : digits;
            if (found.group(8) != null || grouped && base != 10) {
                throw refused(spec, value);
            }
        } else {
            double real = Math.abs(JinjaOperators.real(value));
            if (!Double.isFinite(real)
                    || !type.isEmpty() && !"eEfFgG%".contains(type)
                    || !found.group(4).isEmpty()) {
                throw refused(spec, value);
            }
            digits = real(real, type, found.group(8));
        }
        boolean zeros = !found.group(5).isEmpty() || "0=".equals(found.group(1) + found.group(2));
        if (grouped && zeros) {
            throw refused(spec, value);
        }
        String before = digits.split("[^0-9]", 2)[0];
        return before.replaceAll("(?<=[0-9])(?=(?:[0-9]{3})+$)", found.group(7))
                + digits.substring(before.length());
    }

    private static String real(double real, String type, String precision) {
        int places = precision == null ? 6 : Integer.parseInt(precision);
        return switch (type.toLowerCase(Locale.ROOT)) {
            case "f" -> fixed(new BigDecimal(real), places);
            case "%" -> fixed(new BigDecimal(real * 100), places) + "%";
            case "e" -> cased(scientific(rounded(real, places + 1), places), type);
            case "g" -> cased(general(real, Math.max(1, places), false), type);
            default ->
                    precision == null
                            ? JinjaText.decimal(real)
                            : general(real, Math.max(1, places), true);
        };
    }

    private static String cased(String digits, String type) {
        return type.matches("[A-Z]") ? digits.toUpperCase(Locale.ROOT) : digits;
    }

    /** Rounded as C does: to the even digit in the middle. */
    private static String fixed(BigDecimal value, int places) {
        return value.setScale(places, RoundingMode.HALF_EVEN).toPlainString();
    }

    private static BigDecimal rounded(double real, int digits) {
        return new BigDecimal(real).round(new MathContext(digits, RoundingMode.HALF_EVEN));
    }

    private static int exponent(BigDecimal value) {
        return value.signum() == 0 ? 0 : value.precision() - value.scale() - 1;
    }

    private static String scientific(BigDecimal value, int places) {
        int exponent = exponent(value);
        return fixed(value.movePointLeft(exponent), places)
                + "e%s%02d".formatted(exponent < 0 ? "-" : "+", Math.abs(exponent));
    }

    private static String general(double real, int digits, boolean asReal) {
        BigDecimal value = rounded(real, digits);
        int exponent = exponent(value);
        boolean plain = exponent >= -4 && exponent < digits - (asReal ? 1 : 0);
        String made =
                plain
                        ? fixed(value, Math.max(0, digits - 1 - exponent))
                        : scientific(value, digits - 1);
        List<String> parts = List.of(made.split("(?=e)"));
        String kept =
                parts.getFirst().contains(".")
                        ? parts.getFirst().replaceFirst("\\.?0+$", "")
                        : parts.getFirst();
        kept += asReal && plain && !kept.contains(".") ? ".0" : "";
        return kept + (parts.size() > 1 ? parts.get(1) : "");
    }
}
