package org.ringworld.checkpoints.hf;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.ringworld.checkpoints.Json;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * The ids of the tokens that begin, end and fill texts, in the two files of a model directory that
 * other tools look for them in: {@code generation_config.json} and {@code config.json}.
 */
public final class TokenIds {
    private static final String CONFIG = "config.json";
    private static final String GENERATION = "generation_config.json";
    private static final List<String> KEYS =
            List.of("bos_token_id", "eos_token_id", "pad_token_id");

    private TokenIds() {}

    /**
     * Copies those of a model's config.json into its copy, and to where generation asks for them.
     */
    static void carry(Path from, Path to) throws IOException {
        if (!Files.isRegularFile(from.resolve(CONFIG))) {
            return;
        }
        JsonNode ids = Json.readObject(from.resolve(CONFIG));
        add(ids, to.resolve(CONFIG));
        if (KEYS.stream().anyMatch(key -> isGiven(ids.path(key)))) {
            add(ids, to.resolve(GENERATION));
        }
    }

    /** Gives config.json what generation_config.json alone says. */
    public static void complete(Path directory) throws IOException {
        if (Files.isRegularFile(directory.resolve(GENERATION))) {
            add(Json.readObject(directory.resolve(GENERATION)), directory.resolve(CONFIG));
        }
    }

    /** Adds to a file, or makes it; what it says already stays, and so does a file with all. */
    private static void add(JsonNode ids, Path file) throws IOException {
        ObjectNode into =
                Files.exists(file)
                        ? (ObjectNode) Json.readObject(file)
                        : JsonNodeFactory.instance.objectNode();
        boolean changed = false;
        for (String key : KEYS) {
            if (isGiven(ids.path(key)) && !isGiven(into.path(key))) {
                into.set(key, ids.path(key));
                changed = true;
            }
        }
        if (changed) {
            Files.writeString(file, Json.pretty(into));
        }
    }

    private static boolean isGiven(JsonNode id) {
        return id.isInt() || id.isArray();
    }
}
