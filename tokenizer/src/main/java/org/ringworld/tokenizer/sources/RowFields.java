package org.ringworld.tokenizer.sources;

import dev.hardwood.row.PqList;
import dev.hardwood.row.PqMap;
import dev.hardwood.row.StructAccessor;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import org.ringworld.tokenizer.Utf8;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** Values of a Parquet row as JSON. */
final class RowFields {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private long bytes;

    /** All fields of a row that have a value. */
    ObjectNode of(StructAccessor row) {
        bytes = 0;
        return object(row);
    }

    /** Bytes of text in the last row, about. */
    long bytes() {
        return bytes;
    }

    private ObjectNode object(StructAccessor row) {
        ObjectNode object = JSON.objectNode();
        for (int i = 0; i < row.getFieldCount(); i++) {
            JsonNode value = row.isNull(i) ? null : node(row.getValue(i));
            if (value != null) {
                object.set(row.getFieldName(i), value);
            }
        }
        return object;
    }

    /** Null where the value is none, or bytes that are no text. */
    private JsonNode node(Object value) {
        bytes += 8;
        return switch (value) {
            case null -> null;
            case String text -> text(text);
            case byte[] raw ->
                    Utf8.firstFault(raw) < 0 ? text(new String(raw, StandardCharsets.UTF_8)) : null;
            case Boolean bool -> JSON.booleanNode(bool);
            case Integer number -> JSON.numberNode(number);
            case Long number -> JSON.numberNode(number);
            case Float number -> JSON.numberNode(number);
            case Double number -> JSON.numberNode(number);
            case BigDecimal number -> JSON.numberNode(number);
            case PqList list -> {
                ArrayNode array = JSON.arrayNode();
                for (int i = 0; i < list.size(); i++) {
                    JsonNode element = list.isNull(i) ? null : node(list.get(i));
                    array.add(element == null ? JSON.nullNode() : element);
                }
                yield array;
            }
            case PqMap map -> {
                ObjectNode object = JSON.objectNode();
                for (PqMap.Entry entry : map.getEntries()) {
                    JsonNode one = node(entry.getValue());
                    if (one != null) {
                        object.set(String.valueOf(entry.getKey()), one);
                    }
                }
                yield object;
            }
            case StructAccessor struct -> object(struct);
            default -> text(value.toString());
        };
    }

    private JsonNode text(String text) {
        bytes += text.length();
        return JSON.stringNode(text);
    }
}
