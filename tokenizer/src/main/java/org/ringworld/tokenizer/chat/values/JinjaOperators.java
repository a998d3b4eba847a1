package org.ringworld.tokenizer.chat.values;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.ringworld.tokenizer.chat.JinjaBudget;
import org.ringworld.tokenizer.chat.JinjaException;

/** What Python's operators make of two values. */
public final class JinjaOperators {
    private static final int LONGEST = 1 << 26;

    private JinjaOperators() {}

    public static Object binary(String operator, Object a, Object b) {
        if (operator.equals("~")) {
            return joined(JinjaValues.str(a), JinjaValues.str(b));
        }
        JinjaValues.refuseUndefined(a);
        JinjaValues.refuseUndefined(b);
        if (JinjaValues.number(a) && JinjaValues.number(b)) {
            return number(operator, a, b);
        }
        Object made =
                switch (operator) {
                    case "+" -> sum(a, b);
                    case "*" -> a instanceof Long ? repeated(b, a) : repeated(a, b);
                    case "%" -> a instanceof String format ? JinjaFormat.percent(format, b) : null;
                    default -> null;
                };
        if (made == null) {
            throw JinjaException.of(
                    "%s cannot stand between %s and %s",
                    operator, JinjaValues.type(a), JinjaValues.type(b));
        }
        return made;
    }

    public static Object negative(Object value) {
        return value instanceof Double real ? (Object) (-real) : binary("-", 0L, value);
    }

    private static String joined(String a, String b) {
        if ((long) a.length() + b.length() > LONGEST) {
            throw JinjaException.of("a text grows beyond %d characters", LONGEST);
        }
        return a + b;
    }

    private static Object sum(Object a, Object b) {
        if (a instanceof String one && b instanceof String two) {
            return joined(one, two);
        }
        if (a instanceof List<?> one
                && b instanceof List<?> two
                && !(one instanceof JinjaRange || two instanceof JinjaRange)
                && one instanceof JinjaValues.Tuple == two instanceof JinjaValues.Tuple) {
            List<Object> both = new ArrayList<>(one);
            both.addAll(two);
            return one instanceof JinjaValues.Tuple ? new JinjaValues.Tuple(both) : both;
        }
        return null;
    }

    private static Object repeated(Object value, Object times) {
        if (!(times instanceof Long || times instanceof Boolean)) {
            return null;
        }
        long count = Math.max(0, JinjaValues.index(times));
        if (value instanceof String text) {
            JinjaBudget.spend(count * text.length());
            return text.repeat((int) count);
        }
        if (value instanceof List<?> list && !(list instanceof JinjaRange)) {
            JinjaBudget.spend(count * list.size());
            List<Object> all = new ArrayList<>();
            for (long i = 0; i < count && !list.isEmpty(); i++) {
                all.addAll(list);
            }
            return value instanceof JinjaValues.Tuple ? new JinjaValues.Tuple(all) : all;
        }
        return null;
    }

    private static Object number(String operator, Object a, Object b) {
        boolean whole = !(a instanceof Double || b instanceof Double);
        if (whole && !operator.equals("/")) {
            long x = whole(a);
            long y = whole(b);
            if (y == 0 && (operator.equals("//") || operator.equals("%"))) {
                throw JinjaException.of("something is divided by zero");
            }
            try {
                return switch (operator) {
                    case "+" -> Math.addExact(x, y);
                    case "-" -> Math.subtractExact(x, y);
                    case "*" -> Math.multiplyExact(x, y);
                    case "//" -> Math.floorDivExact(x, y);
                    case "%" -> Math.floorMod(x, y);
                    default -> y < 0 ? (Object) Math.pow(x, y) : (Object) power(x, y);
                };
            } catch (ArithmeticException e) {
                throw JinjaException.of("a number grows beyond 64 bits");
            }
        }
        double x = real(a);
        double y = real(b);
        if (y == 0 && (operator.startsWith("/") || operator.equals("%"))) {
            throw JinjaException.of("something is divided by zero");
        }
        return switch (operator) {
            case "+" -> x + y;
            case "-" -> x - y;
            case "*" -> x * y;
            case "/" -> x / y;
            case "//" -> Math.floor(x / y);
            case "%" -> x - y * Math.floor(x / y);
            default -> Math.pow(x, y);
        };
    }

    private static long power(long base, long exponent) {
        if (base >= -1 && base <= 1) {
            return base == 0 && exponent > 0 ? 0 : exponent % 2 == 0 ? 1 : base == 0 ? 1 : base;
        }
        if (exponent > 63) {
            throw new ArithmeticException();
        }
        return Math.powExact(base, (int) exponent);
    }

    private static long whole(Object number) {
        return number instanceof Boolean truth ? truth ? 1 : 0 : (Long) number;
    }

    static double real(Object number) {
        return number instanceof Double real ? real : whole(number);
    }

    public static boolean compare(String operator, Object a, Object b) {
        return switch (operator) {
            case "==" -> JinjaValues.equal(a, b);
            case "!=" -> !JinjaValues.equal(a, b);
            case "in" -> contains(b, a);
            case "not in" -> !contains(b, a);
            case "<" -> order(a, b) < 0;
            case "<=" -> order(a, b) <= 0;
            case ">" -> order(a, b) > 0;
            default -> order(a, b) >= 0;
        };
    }

    static boolean contains(Object in, Object value) {
        if (in instanceof String text) {
            if (value instanceof String part) {
                return text.contains(part);
            }
            throw JinjaException.of("a str holds only str, not %s", JinjaValues.type(value));
        }
        if (in instanceof Map<?, ?> map) {
            return map.containsKey(JinjaValues.key(map, value));
        }
        return JinjaValues.items(in).stream().anyMatch(one -> JinjaValues.equal(one, value));
    }

    /** Python's {@code <}: below 0, 0 or above it. */
    static int order(Object a, Object b) {
        JinjaBudget.spend(1);
        JinjaValues.refuseUndefined(a);
        JinjaValues.refuseUndefined(b);
        if (JinjaValues.number(a) && JinjaValues.number(b)) {
            if (a instanceof Double || b instanceof Double) {
                double x = real(a);
                double y = real(b);
                return x < y ? -1 : x > y ? 1 : x == y ? 0 : 1;
            }
            return Long.compare(whole(a), whole(b));
        }
        if (a instanceof String one && b instanceof String two) {
            return order(one, two);
        }
        if (a instanceof List<?> one && b instanceof List<?> two) {
            for (int i = 0; i < Math.min(one.size(), two.size()); i++) {
                if (!JinjaValues.equal(one.get(i), two.get(i))) {
                    return order(one.get(i), two.get(i));
                }
            }
            return Integer.compare(one.size(), two.size());
        }
        throw JinjaException.of(
                "%s and %s have no order", JinjaValues.type(a), JinjaValues.type(b));
    }

    /** By code points, which is not Java's order above U+FFFF. */
    private static int order(String a, String b) {
        int at = 0;
        while (at < a.length() && at < b.length() && a.charAt(at) == b.charAt(at)) {
            at++;
        }
        if (at == a.length() || at == b.length()) {
            return Integer.compare(a.length(), b.length());
        }
        return Integer.compare(rank(a.charAt(at)), rank(b.charAt(at)));
    }

    private static int rank(char c) {
        return Character.isSurrogate(c) ? c + 0x10000 : c;
    }

    /**
     * {@code value[from:to:step]}.
     *
     * @param bounds from, to and step; null where they are left out
     */
    public static Object slice(Object value, Object[] bounds) {
        JinjaValues.refuseUndefined(value);
        if (!(value instanceof String) && !(value instanceof List)) {
            return JinjaValues.undefined("%s has no slices", JinjaValues.type(value));
        }
        int size = (int) JinjaValues.length(value);
        int step = bounds[2] == null ? 1 : JinjaValues.index(bounds[2]);
        if (step == 0) {
            throw JinjaException.of("a slice's step is zero");
        }
        int low = step > 0 ? 0 : -1;
        int high = step > 0 ? size : size - 1;
        int from = bound(bounds[0], size, step > 0 ? low : high, low, high);
        int to = bound(bounds[1], size, step > 0 ? high : low, low, high);
        if (step == 1 && value instanceof String text) {
            return JinjaText.slice(text, from, Math.max(from, to));
        }
        if (value instanceof JinjaRange range) {
            return range.slice(from, to, step);
        }
        List<?> all = value instanceof List<?> list ? list : JinjaText.characters((String) value);
        List<Object> some = new ArrayList<>();
        for (long i = from; step > 0 ? i < to : i > to; i += step) {
            some.add(all.get((int) i));
        }
        return switch (value) {
            case String text -> String.join("", some.stream().map(String::valueOf).toList());
            case JinjaValues.Tuple tuple -> new JinjaValues.Tuple(some);
            default -> some;
        };
    }

    private static int bound(Object given, int size, int otherwise, int low, int high) {
        if (given == null) {
            return otherwise;
        }
        int index = JinjaValues.index(given);
        return Math.clamp(index < 0 ? (long) index + size : index, low, high);
    }
}
