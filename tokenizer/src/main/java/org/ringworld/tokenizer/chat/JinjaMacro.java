package org.ringworld.tokenizer.chat;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ringworld.tokenizer.chat.JinjaExpressions.Expression;
import org.ringworld.tokenizer.chat.JinjaParser.Statement;
import org.ringworld.tokenizer.chat.values.JinjaArguments;
import org.ringworld.tokenizer.chat.values.JinjaArguments.Callable;
import org.ringworld.tokenizer.chat.values.JinjaValues;

/**
 * A body that is called with arguments, and gives text.
 *
 * @param parameters their defaults; null where there is none
 * @param more whether more arguments are taken, for {@code varargs} and {@code kwargs}
 * @param around the names it sees besides its own
 */
public record JinjaMacro(
        String name,
        Map<String, Expression> parameters,
        Statement body,
        More more,
        JinjaScope around)
        implements Callable {
    /** Jinja takes more arguments than are named where the body asks for them. */
    record More(boolean positional, boolean named) {}

    @Override
    public Object call(JinjaArguments arguments) {
        JinjaScope scope = around.inner();
        List<Object> given = arguments.positional();
        Map<String, Object> named = new LinkedHashMap<>(arguments.named());
        int index = 0;
        for (Map.Entry<String, Expression> parameter : parameters.entrySet()) {
            String key = parameter.getKey();
            if (index < given.size()) {
                if (named.containsKey(key)) {
                    throw JinjaException.of("the macro %s has two arguments %s", name, key);
                }
                scope.set(key, given.get(index));
            } else if (named.containsKey(key)) {
                scope.set(key, named.remove(key));
            } else if (parameter.getValue() == null) {
                scope.set(key, JinjaValues.undefined("the parameter %s was not given", key));
            } else {
                scope.set(key, parameter.getValue().in(scope));
            }
            index++;
        }
        scope.set(
                "varargs",
                new JinjaValues.Tuple(
                        new ArrayList<>(
                                given.subList(Math.min(index, given.size()), given.size()))));
        if (named.containsKey("caller")) {
            scope.set("caller", named.remove("caller"));
        } else if (!parameters.containsKey("caller")) {
            scope.set("caller", JinjaValues.undefined("there is no caller"));
        }
        if (given.size() > index && !more.positional || !named.isEmpty() && !more.named) {
            throw JinjaException.of(
                    "the macro %s takes %d arguments and no %s",
                    name, index, named.isEmpty() ? "more" : named.keySet().iterator().next());
        }
        scope.set("kwargs", named);
        JinjaBudget.enter();
        String text = JinjaParser.text(body, scope);
        JinjaBudget.leave();
        return text;
    }

    @Override
    public String toString() {
        return "<Macro '" + name + "'>";
    }
}
