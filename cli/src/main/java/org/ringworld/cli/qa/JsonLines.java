package org.ringworld.cli.qa;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.ringworld.checkpoints.files.Fence;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A file of JSON lines that only grows: a line is on disk before the next is begun, and half a last
 * line, left by a kill, is cut off when it is opened again.
 */
public final class JsonLines implements AutoCloseable {
    private static final JsonMapper JSON = JsonMapper.shared();

    private final Fence fence;
    private final FileChannel file;
    private final List<JsonNode> before = new ArrayList<>();

    /**
     * @param fence whose owner alone may add lines
     * @throws IOException where it cannot be written, or a whole line of it is not JSON
     */
    public JsonLines(Path path, Fence fence) throws IOException {
        this.fence = fence;
        byte[] bytes = Files.exists(path) ? Files.readAllBytes(path) : new byte[0];
        int start = 0;
        for (int at = 0; at < bytes.length; at++) {
            if (bytes[at] == '\n') {
                before.add(
                        read(path, new String(bytes, start, at - start, StandardCharsets.UTF_8)));
                start = at + 1;
            }
        }
        file = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        file.truncate(start).position(start);
    }

    private JsonNode read(Path path, String line) throws IOException {
        try {
            return JSON.readTree(line);
        } catch (JacksonException e) {
            throw new IOException(
                    "%s: line %d is not JSON; choose another file"
                            .formatted(path, before.size() + 1),
                    e);
        }
    }

    /** The lines that were there when it was opened. */
    public List<JsonNode> before() {
        return before;
    }

    public void add(JsonNode line) throws IOException {
        fence.check();
        ByteBuffer bytes = StandardCharsets.UTF_8.encode(JSON.writeValueAsString(line) + "\n");
        while (bytes.hasRemaining()) {
            file.write(bytes);
        }
        file.force(false);
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
