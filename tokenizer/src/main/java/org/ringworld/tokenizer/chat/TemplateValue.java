package org.ringworld.tokenizer.chat;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;

/** JSON as a chat template knows it: texts, numbers, truths, lists, maps and null. */
public final class TemplateValue {
    private TemplateValue() {}

    /**
     * @param nulls whether fields that hold nothing stay; in tables a row has all fields of all
     */
    public static Object of(JsonNode node, boolean nulls) {
        return switch (node.getNodeType()) {
            case STRING -> node.stringValue();
            case BOOLEAN -> node.booleanValue();
            case NUMBER ->
                    node.isIntegralNumber() && node.canConvertToLong()
                            ? (Object) node.longValue()
                            : (Object) node.doubleValue();
            case ARRAY -> {
                List<Object> list = new ArrayList<>();
                node.forEach(one -> list.add(of(one, nulls)));
                yield list;
            }
            case OBJECT -> fields(node, nulls);
            default -> null;
        };
    }

    /** All fields of an object. */
    public static Map<String, Object> fields(JsonNode object, boolean nulls) {
        Map<String, Object> fields = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> field : object.properties()) {
            if (nulls || !field.getValue().isNull()) {
                fields.put(field.getKey(), of(field.getValue(), nulls));
            }
        }
        return fields;
    }
}
