package org.ringworld.checkpoints;

import java.nio.file.Path;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The small cases that travel with the project. */
public final class Resources {
    private Resources() {}

    public static Path path(String below) {
        try {
            return Path.of(Resources.class.getResource("/" + below).toURI());
        } catch (java.net.URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    public static JsonNode json(String below) {
        return JsonMapper.shared().readTree(path(below).toFile());
    }
}
