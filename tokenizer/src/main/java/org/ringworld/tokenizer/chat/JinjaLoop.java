package org.ringworld.tokenizer.chat;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.ringworld.tokenizer.chat.JinjaExpressions.Expression;
import org.ringworld.tokenizer.chat.JinjaParser.Flow;
import org.ringworld.tokenizer.chat.JinjaParser.Statement;
import org.ringworld.tokenizer.chat.values.JinjaArguments;
import org.ringworld.tokenizer.chat.values.JinjaArguments.Callable;
import org.ringworld.tokenizer.chat.values.JinjaValues;

/** {@code for target in items if test}, and its {@code else} where there was nothing. */
record JinjaLoop(
        Target target, Expression items, Expression test, Statement body, Statement otherwise)
        implements Statement {
    /** What is assigned to. */
    @FunctionalInterface
    interface Target {
        void set(JinjaScope scope, Object value);
    }

    /** {@code a, b}: a value for each. */
    static Target unpack(List<Target> targets) {
        return (scope, value) -> {
            List<Object> values = JinjaValues.items(value);
            if (values.size() != targets.size()) {
                throw JinjaException.of(
                        "%d names cannot take %d values", targets.size(), values.size());
            }
            for (int i = 0; i < targets.size(); i++) {
                targets.get(i).set(scope, values.get(i));
            }
        };
    }

    @Override
    public Flow run(JinjaScope scope, StringBuilder out) {
        List<Object> all = JinjaValues.items(items.in(scope));
        if (test != null) {
            List<Object> kept = new ArrayList<>();
            for (Object item : all) {
                JinjaBudget.spend(8);
                JinjaScope inner = scope.inner();
                target.set(inner, item);
                if (JinjaValues.truth(test.in(inner))) {
                    kept.add(item);
                }
            }
            all = kept;
        }
        if (all.isEmpty()) {
            return otherwise.run(scope.inner(), out);
        }
        State state = new State(all);
        for (; state.at < all.size(); state.at++) {
            JinjaBudget.spend(8);
            JinjaScope inner = scope.inner();
            inner.set("loop", state);
            target.set(inner, all.get(state.at));
            if (body.run(inner, out) == Flow.BREAK) {
                break;
            }
        }
        return Flow.ON;
    }

    /** What {@code loop} tells. */
    static final class State implements JinjaValues.HasAttributes {
        private final List<Object> all;
        private int at;
        private Object last = new Object();

        State(List<Object> all) {
            this.all = all;
        }

        @Override
        public Object attribute(String name) {
            return switch (name) {
                case "index0" -> (long) at;
                case "index" -> at + 1L;
                case "revindex0" -> all.size() - at - 1L;
                case "revindex" -> (long) all.size() - at;
                case "first" -> at == 0;
                case "last" -> at == all.size() - 1;
                case "length" -> (long) all.size();
                // Loops in loops count from the start: only recursive ones are deeper.
                case "depth" -> 1L;
                case "depth0" -> 0L;
                case "previtem" -> at > 0 ? all.get(at - 1) : none("previous");
                case "nextitem" -> at + 1 < all.size() ? all.get(at + 1) : none("next");
                case "cycle" -> (Callable) this::cycle;
                case "changed" -> (Callable) this::changed;
                default -> null;
            };
        }

        private static Object none(String which) {
            return JinjaValues.undefined("there is no %s item", which);
        }

        private Object cycle(JinjaArguments arguments) {
            if (arguments.positional().isEmpty()) {
                throw JinjaException.of("cycle needs something to choose from");
            }
            return arguments.positional().get(at % arguments.positional().size());
        }

        private Object changed(JinjaArguments arguments) {
            List<Object> now = arguments.positional();
            boolean same = last instanceof List<?> && JinjaValues.equal(last, now);
            last = Objects.requireNonNull(now);
            return !same;
        }
    }
}
