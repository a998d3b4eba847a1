package org.ringworld.tokenizer.chat;

import java.util.HashMap;
import java.util.Map;
import org.ringworld.tokenizer.chat.values.JinjaValues;

/** The names of one body (template, loop, macro, block), and those around it. */
final class JinjaScope {
    private final JinjaScope around;
    private final Map<String, Object> names = new HashMap<>();

    JinjaScope(JinjaScope around) {
        this.around = around;
    }

    void set(String name, Object value) {
        names.put(name, value);
    }

    Object get(String name) {
        for (JinjaScope scope = this; scope != null; scope = scope.around) {
            Object value = scope.names.get(name);
            if (value != null || scope.names.containsKey(name)) {
                return value;
            }
        }
        return JinjaValues.undefined("%s is undefined", name);
    }

    JinjaScope inner() {
        return new JinjaScope(this);
    }
}
