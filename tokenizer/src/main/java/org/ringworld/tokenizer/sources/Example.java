package org.ringworld.tokenizer.sources;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * What a document is made from.
 *
 * @param line of the file, element of its array or row of its table, from 1; 0: all of it
 * @param fields by name; of a {@code .txt} it is {@code text}; null where there is a fault
 * @param fault why the line cannot be used; null where it can
 */
public record Example(Path file, long line, JsonNode fields, String fault) {
    /** A sentence about it, naming the place. */
    public String tell(String why) {
        if (line == 0) {
            return file + " " + why;
        }
        String unit =
                switch (FileKind.of(file)) {
                    case PARQUET, ARROW -> "row";
                    case JSON -> "element";
                    default -> "line";
                };
        return "%s: %s %d %s".formatted(file, unit, line, why);
    }

    /** Its fields, the same in whatever form they were written; its fault where it has one. */
    public String canonical() {
        return fault != null ? fault : canonical(fields).toString();
    }

    /** In the order of names, and without those that hold nothing: tables have all of them. */
    private static JsonNode canonical(JsonNode node) {
        return switch (node) {
            case ObjectNode object -> {
                ObjectNode sorted = JsonNodeFactory.instance.objectNode();
                TreeMap<String, JsonNode> named = new TreeMap<>();
                object.properties().forEach(p -> named.put(p.getKey(), p.getValue()));
                named.forEach(
                        (name, value) -> {
                            if (!value.isNull()) {
                                sorted.set(name, canonical(value));
                            }
                        });
                yield sorted;
            }
            case ArrayNode array -> {
                List<JsonNode> elements = new ArrayList<>();
                array.forEach(element -> elements.add(canonical(element)));
                yield new ArrayNode(JsonNodeFactory.instance, elements);
            }
            default -> node;
        };
    }
}
