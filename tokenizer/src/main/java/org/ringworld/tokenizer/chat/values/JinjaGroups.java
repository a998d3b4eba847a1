package org.ringworld.tokenizer.chat.values;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.ringworld.tokenizer.chat.JinjaBudget;
import org.ringworld.tokenizer.chat.JinjaException;
import org.ringworld.tokenizer.chat.values.JinjaArguments.Bound;
import org.ringworld.tokenizer.chat.values.JinjaArguments.Callable;
import org.ringworld.tokenizer.chat.values.JinjaValues.HasAttributes;
import org.ringworld.tokenizer.chat.values.JinjaValues.Lazy;
import org.ringworld.tokenizer.chat.values.JinjaValues.Tuple;
import org.ringworld.tokenizer.chat.values.JinjaValues.Undefined;

/** What parts a sequence, or goes around one. */
public final class JinjaGroups {
    private JinjaGroups() {}

    /** A pair of what the parts have in common, and the parts. */
    static final class Group extends Tuple implements HasAttributes {
        private Group(Object grouper, List<Object> items) {
            super(Arrays.asList(grouper, items));
        }

        @Override
        public Object attribute(String name) {
            return switch (name) {
                case "grouper" -> get(0);
                case "list" -> get(1);
                default -> null;
            };
        }
    }

    static Object by(Object value, Bound bound) {
        boolean caseSensitive = bound.flag(2, false);
        List<Object[]> keyed = new ArrayList<>();
        for (Object item : JinjaValues.items(value)) {
            Object key = JinjaFilters.at(item, bound.need(0));
            keyed.add(new Object[] {key instanceof Undefined ? bound.get(1, key) : key, item});
        }
        keyed.sort(
                (a, b) ->
                        JinjaOperators.order(
                                JinjaFilters.folded(a[0], caseSensitive),
                                JinjaFilters.folded(b[0], caseSensitive)));
        List<Object> groups = new ArrayList<>();
        List<Object> items = null;
        Object last = null;
        for (Object[] one : keyed) {
            Object key = JinjaFilters.folded(one[0], caseSensitive);
            if (items == null || !JinjaValues.equal(last, key)) {
                items = new ArrayList<>();
                groups.add(new Group(one[0], items));
                last = key;
            }
            items.add(one[1]);
        }
        return groups;
    }

    static Object batches(Object value, Bound bound) {
        int size = JinjaValues.index(bound.need(0));
        List<Object> items = JinjaValues.items(value);
        if (size < 1) {
            throw JinjaException.of("a batch has at least one item");
        }
        List<Object> batches = new ArrayList<>();
        for (long at = 0; at < items.size(); at += size) {
            int end = (int) Math.min(items.size(), at + size);
            List<Object> batch = new ArrayList<>(items.subList((int) at, end));
            Object fill = bound.get(1, null);
            if (fill != null && batch.size() < size) {
                JinjaBudget.spend(size);
                batch.addAll(Collections.nCopies(size - batch.size(), fill));
            }
            batches.add(batch);
        }
        return new Lazy(batches);
    }

    static Object slices(Object value, Bound bound) {
        int count = JinjaValues.index(bound.need(0));
        List<Object> items = JinjaValues.items(value);
        if (count < 1) {
            throw JinjaException.of("there is at least one slice");
        }
        JinjaBudget.spend(8L * count);
        int longer = items.size() % count;
        List<Object> slices = new ArrayList<>();
        for (int i = 0, at = 0; i < count; i++) {
            int end = at + items.size() / count + (i < longer ? 1 : 0);
            List<Object> slice = new ArrayList<>(items.subList(at, end));
            if (bound.get(1, null) != null && i >= longer) {
                slice.add(bound.get(1, null));
            }
            slices.add(slice);
            at = end;
        }
        return new Lazy(slices);
    }

    /** Gives nothing the first time it is called, and what it joins with from then on. */
    public static Callable joiner(JinjaArguments arguments) {
        Object between = arguments.take("sep").get(0, ", ");
        boolean[] called = {false};
        return none -> {
            none.take();
            Object given = called[0] ? between : "";
            called[0] = true;
            return given;
        };
    }

    /** Goes through its items again and again. */
    public static Object cycler(JinjaArguments arguments) {
        List<Object> items = arguments.positional();
        if (items.isEmpty()) {
            throw JinjaException.of("a cycler has at least one item");
        }
        return new Cycler(items, new int[1]);
    }

    private record Cycler(List<Object> items, int[] at) implements HasAttributes {
        @Override
        public Object attribute(String name) {
            return switch (name) {
                case "current" -> items.get(at[0]);
                case "next" -> (Callable) none -> items.get(step(none));
                case "reset" -> (Callable) none -> reset(none);
                default -> null;
            };
        }

        private int step(JinjaArguments none) {
            none.take();
            int now = at[0];
            at[0] = (now + 1) % items.size();
            return now;
        }

        private Object reset(JinjaArguments none) {
            none.take();
            at[0] = 0;
            return null;
        }
    }
}
