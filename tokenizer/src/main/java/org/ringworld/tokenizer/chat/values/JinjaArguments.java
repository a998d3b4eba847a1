package org.ringworld.tokenizer.chat.values;

import java.util.List;
import java.util.Map;
import org.ringworld.tokenizer.chat.JinjaException;

/** What something is called with. */
public record JinjaArguments(List<Object> positional, Map<String, Object> named) {
    static final JinjaArguments NONE = new JinjaArguments(List.of(), Map.of());

    /** What a template can call. */
    @FunctionalInterface
    public interface Callable {
        Object call(JinjaArguments arguments);
    }

    private static final Object ABSENT = new Object();

    /** Arguments by their place in a signature. */
    public record Bound(String[] names, Object[] values) {
        Object get(int index, Object otherwise) {
            return values[index] == ABSENT ? otherwise : values[index];
        }

        public Object need(int index) {
            if (values[index] == ABSENT) {
                throw JinjaException.of("the argument %s is missing", names[index]);
            }
            return values[index];
        }

        public String text(int index) {
            if (need(index) instanceof String text) {
                return text;
            }
            throw JinjaException.of(
                    "%s is a string, not %s", names[index], JinjaValues.type(values[index]));
        }

        public String text(int index, String otherwise) {
            return values[index] == ABSENT || values[index] == null ? otherwise : text(index);
        }

        public int number(int index, int otherwise) {
            return values[index] == ABSENT || values[index] == null
                    ? otherwise
                    : JinjaValues.index(values[index]);
        }

        boolean flag(int index, boolean otherwise) {
            return JinjaValues.truth(get(index, otherwise));
        }
    }

    /**
     * Binds to a signature as Python does.
     *
     * @throws JinjaException for one too many, an unknown one or one given twice
     */
    public Bound take(String... names) {
        Object[] values = new Object[names.length];
        java.util.Arrays.fill(values, ABSENT);
        if (positional.size() > names.length) {
            throw JinjaException.of("takes %d arguments, not %d", names.length, positional.size());
        }
        for (int i = 0; i < positional.size(); i++) {
            values[i] = positional.get(i);
        }
        named.forEach(
                (name, value) -> {
                    int index = List.of(names).indexOf(name);
                    if (index < 0 || values[index] != ABSENT) {
                        throw JinjaException.of(
                                index < 0 ? "has no argument %s" : "has two arguments %s", name);
                    }
                    values[index] = value;
                });
        return new Bound(names, values);
    }

    /** Those after the first. */
    JinjaArguments rest() {
        return new JinjaArguments(positional.subList(1, positional.size()), named);
    }
}
