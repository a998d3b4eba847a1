package org.ringworld.tokenizer.chat.values;

import java.util.AbstractList;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.ringworld.tokenizer.chat.JinjaBudget;
import org.ringworld.tokenizer.chat.JinjaException;
import org.ringworld.tokenizer.chat.JinjaMacro;
import org.ringworld.tokenizer.chat.values.JinjaArguments.Callable;

/**
 * Python's view of values. A template's are null (None), Boolean, Long, Double, String, List,
 * {@link Tuple}, Map and the types below; nothing of Java can be reached from them.
 */
public final class JinjaValues {
    private JinjaValues() {}

    /** What is not there: prints as nothing, is false, and refuses nearly all else. */
    record Undefined(String why) {}

    /** {@code namespace(…)}: the only thing a loop's body can set for the time after it. */
    public record Namespace(Map<String, Object> values) implements HasAttributes {
        @Override
        public Object attribute(String name) {
            return values.getOrDefault(name, undefined("the namespace has no %s", name));
        }
    }

    /** Something that has attributes, null for one that it has not. */
    public interface HasAttributes {
        Object attribute(String name);
    }

    public static sealed class Tuple extends AbstractList<Object> permits JinjaGroups.Group {
        private final List<Object> values;

        public Tuple(List<Object> values) {
            this.values = values;
        }

        @Override
        public Object get(int index) {
            return values.get(index);
        }

        @Override
        public int size() {
            return values.size();
        }
    }

    /** What some filters give: to be walked once, always true, without a length. */
    static final class Lazy {
        private List<Object> values;

        Lazy(List<Object> values) {
            this.values = values;
        }

        List<Object> take() {
            List<Object> taken = values;
            values = List.of();
            return taken;
        }
    }

    public static Undefined undefined(String why, Object... arguments) {
        return new Undefined(why.formatted(arguments));
    }

    public static void refuseUndefined(Object value) {
        if (value instanceof Undefined undefined) {
            throw JinjaException.of("%s", undefined.why);
        }
    }

    /** Python's name of a value's type. */
    public static String type(Object value) {
        return switch (value) {
            case null -> "None";
            case Boolean b -> "bool";
            case Long l -> "int";
            case Double d -> "float";
            case String s -> "str";
            case Tuple t -> "tuple";
            case JinjaRange r -> "range";
            case List<?> l -> "list";
            case Map<?, ?> m -> "dict";
            case Undefined u -> "undefined";
            case Lazy l -> "generator";
            case Callable c -> "function";
            default -> value.getClass().getSimpleName().toLowerCase(Locale.ROOT);
        };
    }

    public static boolean truth(Object value) {
        return switch (value) {
            case null -> false;
            case Boolean b -> b;
            case Long l -> l != 0;
            case Double d -> d != 0;
            case String s -> !s.isEmpty();
            case List<?> l -> !l.isEmpty();
            case Map<?, ?> m -> !m.isEmpty();
            case Undefined u -> false;
            default -> true;
        };
    }

    /** The elements of a list, the keys of a dictionary, the characters of a text. */
    public static List<Object> items(Object value) {
        return switch (value) {
            case List<?> list -> new ArrayList<>(list);
            case Map<?, ?> map -> new ArrayList<>(map.keySet());
            case String text -> new ArrayList<>(JinjaText.characters(text));
            case Lazy lazy -> lazy.take();
            case Undefined u -> List.of();
            case null, default ->
                    throw JinjaException.of("%s has no elements to walk over", type(value));
        };
    }

    static long length(Object value) {
        return switch (value) {
            case String text -> text.codePointCount(0, text.length());
            case List<?> list -> list.size();
            case Map<?, ?> map -> map.size();
            case Undefined u -> 0;
            case null, default -> throw JinjaException.of("%s has no length", type(value));
        };
    }

    /** A whole number that counts or indexes. */
    public static int index(Object value) {
        refuseUndefined(value);
        return switch (value) {
            case Boolean b -> b ? 1 : 0;
            case Long l -> Math.clamp(l, -Integer.MAX_VALUE, Integer.MAX_VALUE);
            case null, default -> throw JinjaException.of("%s is no whole number", type(value));
        };
    }

    /** What may be a key of a dictionary. */
    public static Object key(Object value) {
        if (value instanceof Map || value instanceof List && !(value instanceof Tuple)) {
            throw JinjaException.of("a %s cannot be a key", type(value));
        }
        return value;
    }

    /** The key of a dictionary that equals this one, as {@code true} does 1; this if none does. */
    public static Object key(Map<?, ?> map, Object value) {
        if (number(value) && !map.containsKey(value)) {
            double real = JinjaOperators.real(value);
            for (Object other : List.of(real, (long) real, real != 0)) {
                if (map.containsKey(other) && equal(other, value)) {
                    return other;
                }
            }
        }
        return key(value);
    }

    /** {@code value.name}: what it can do, then what it holds. */
    public static Object attribute(Object value, String name) {
        refuseUndefined(value);
        Object found = method(value, name);
        if (found == null && value instanceof Map<?, ?> map && map.containsKey(name)) {
            return map.get(name);
        }
        return found == null ? missing(value, name) : found;
    }

    private static Undefined missing(Object value, Object name) {
        return undefined("%s has no %s", type(value), name);
    }

    private static Object method(Object value, String name) {
        return switch (value) {
            case String text -> JinjaStrings.method(text, name);
            case Map<?, ?> map -> method(map, name);
            case HasAttributes owner -> owner.attribute(name);
            case List<?> list -> method(list, name);
            case Double real when name.equals("is_integer") ->
                    (Callable) arguments -> real == Math.rint(real) && !real.isInfinite();
            case null, default -> null;
        };
    }

    private static Callable method(Map<?, ?> map, String name) {
        return switch (name) {
            case "items" -> arguments -> pairs(map);
            case "keys" -> arguments -> new ArrayList<>(map.keySet());
            case "values" -> arguments -> new ArrayList<>(map.values());
            case "copy" -> arguments -> new LinkedHashMap<>(map);
            case "get" ->
                    arguments -> {
                        JinjaArguments.Bound bound = arguments.take("key", "default");
                        Object key = key(map, bound.need(0));
                        return map.containsKey(key) ? map.get(key) : bound.get(1, null);
                    };
            case "clear", "pop", "popitem", "setdefault", "update" -> refused(name);
            default -> null;
        };
    }

    private static Callable method(List<?> list, String name) {
        return switch (name) {
            case "count" ->
                    arguments -> {
                        Object wanted = arguments.take("value").need(0);
                        return list.stream().filter(value -> equal(value, wanted)).count();
                    };
            case "index" ->
                    arguments -> {
                        Object wanted = arguments.take("value").need(0);
                        for (int i = 0; i < list.size(); i++) {
                            if (equal(list.get(i), wanted)) {
                                return (long) i;
                            }
                        }
                        throw JinjaException.of("%s is not in the list", str(wanted));
                    };
            case "copy" -> arguments -> new ArrayList<Object>(list);
            case "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort" ->
                    list instanceof Tuple || list instanceof JinjaRange ? null : refused(name);
            default -> null;
        };
    }

    private static Callable refused(String name) {
        return arguments -> {
            throw JinjaException.of("a template changes no value, as %s would", name);
        };
    }

    static List<Object> pairs(Map<?, ?> map) {
        List<Object> pairs = new ArrayList<>();
        map.forEach((key, value) -> pairs.add(new Tuple(java.util.Arrays.asList(key, value))));
        return pairs;
    }

    /** {@code value[index]}: what it holds, then what it can do. */
    public static Object item(Object value, Object index) {
        refuseUndefined(value);
        if (value instanceof Map<?, ?> map) {
            Object key = number(index) ? key(map, index) : index;
            if (map.containsKey(key)) {
                return map.get(key);
            }
        }
        if (index instanceof Long || index instanceof Boolean) {
            int at = index(index);
            if (value instanceof List<?> list) {
                at += at < 0 ? list.size() : 0;
                return at >= 0 && at < list.size() ? list.get(at) : missing(value, index);
            }
            if (value instanceof String text) {
                at += at < 0 ? (int) length(text) : 0;
                return at >= 0 && at < length(text)
                        ? JinjaText.slice(text, at, at + 1)
                        : missing(value, index);
            }
        }
        return index instanceof String name ? attribute(value, name) : missing(value, str(index));
    }

    /** Python's {@code ==}. */
    public static boolean equal(Object a, Object b) {
        JinjaBudget.spend(1);
        if (a == b) {
            return true;
        }
        if (number(a) && number(b)) {
            return JinjaOperators.order(a, b) == 0;
        }
        if (a instanceof List<?> one && b instanceof List<?> two) {
            boolean same =
                    one.size() == two.size()
                            && one instanceof Tuple == two instanceof Tuple
                            && one instanceof JinjaRange == two instanceof JinjaRange;
            for (int i = 0; same && i < one.size(); i++) {
                same = equal(one.get(i), two.get(i));
            }
            return same;
        }
        if (a instanceof Map<?, ?> one && b instanceof Map<?, ?> two) {
            return one.size() == two.size()
                    && one.entrySet().stream()
                            .allMatch(
                                    entry ->
                                            two.containsKey(key(two, entry.getKey()))
                                                    && equal(
                                                            entry.getValue(),
                                                            two.get(key(two, entry.getKey()))));
        }
        if (a instanceof Undefined || b instanceof Undefined) {
            return a instanceof Undefined && b instanceof Undefined;
        }
        return a instanceof String && a.equals(b);
    }

    static boolean number(Object value) {
        return value instanceof Long || value instanceof Double || value instanceof Boolean;
    }

    /** What a template writes of a value: Python's {@code str}. */
    public static String str(Object value) {
        if (value instanceof String text) {
            return text;
        }
        StringBuilder out = new StringBuilder();
        if (!(value instanceof Undefined)) {
            repr(out, value);
        }
        return out.toString();
    }

    /** Python's {@code repr}. */
    static String repr(Object value) {
        StringBuilder out = new StringBuilder();
        repr(out, value);
        return out.toString();
    }

    private static void repr(StringBuilder out, Object value) {
        JinjaBudget.spend(4);
        switch (value) {
            case null -> out.append("None");
            case Boolean b -> out.append(b ? "True" : "False");
            case Double d -> out.append(JinjaText.decimal(d));
            case String s -> JinjaText.quote(out, s);
            case Tuple t -> {
                all(out, "(", t);
                out.append(t.size() == 1 ? ",)" : ")");
            }
            case JinjaRange r -> out.append(r);
            case List<?> l -> {
                all(out, "[", l);
                out.append(']');
            }
            case Map<?, ?> m -> {
                String between = "{";
                for (Map.Entry<?, ?> entry : m.entrySet()) {
                    out.append(between);
                    repr(out, entry.getKey());
                    out.append(": ");
                    repr(out, entry.getValue());
                    between = ", ";
                }
                out.append(m.isEmpty() ? "{}" : "}");
            }
            case Undefined u -> out.append("Undefined");
            case Lazy l -> out.append("<generator object>");
            case Namespace n -> {
                out.append("<Namespace ");
                repr(out, n.values());
                out.append('>');
            }
            case JinjaMacro m -> out.append(m);
            case Callable c -> out.append("<function>");
            case Long l -> out.append(l);
            default -> out.append("<" + type(value) + ">");
        }
    }

    private static void all(StringBuilder out, String open, List<?> values) {
        out.append(open);
        for (int i = 0; i < values.size(); i++) {
            out.append(i == 0 ? "" : ", ");
            repr(out, values.get(i));
        }
    }
}
