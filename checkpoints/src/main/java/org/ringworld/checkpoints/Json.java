package org.ringworld.checkpoints;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Small JSON files of a model directory. */
public final class Json {
    // The largest index of a known model is 10 MB.
    private static final long LARGEST = 64L << 20;

    private static final JsonMapper MAPPER =
            JsonMapper.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();

    private Json() {}

    /** The object in a file. */
    public static JsonNode readObject(Path file) throws CheckpointException {
        try {
            long size = Files.size(file);
            if (size > LARGEST) {
                throw new CheckpointException(
                        "%s: %d bytes are too many for this kind of file".formatted(file, size));
            }
            JsonNode node = MAPPER.readTree(utf8(file, Files.readAllBytes(file)));
            if (!node.isObject()) {
                throw new CheckpointException(file + ": holds no JSON object");
            }
            return node;
        } catch (JacksonException e) {
            throw new CheckpointException(
                    "%s: not valid JSON: %s".formatted(file, e.getOriginalMessage()), e);
        } catch (CheckpointException e) {
            throw e;
        } catch (IOException e) {
            throw new CheckpointException(file + ": cannot be read: " + reason(e), e);
        }
    }

    /** Strict UTF-8, a byte order mark skipped. */
    public static String utf8(Path file, byte[] bytes) throws CheckpointException {
        try {
            String text =
                    StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
            return text.startsWith("\ufeff") ? text.substring(1) : text;
        } catch (CharacterCodingException e) {
            throw new CheckpointException(file + ": its JSON is not UTF-8", e);
        }
    }

    public static String pretty(JsonNode node) {
        return MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(node) + "\n";
    }

    /** For messages: no more of a value than helps. */
    public static String shortened(JsonNode value) {
        String text = value.toString();
        return text.length() <= 60 ? text : text.substring(0, 60) + "…";
    }

    /** What an exception of the file system means; its own message may be no more than a path. */
    public static String reason(IOException e) {
        return switch (e) {
            case java.nio.file.NoSuchFileException _ -> "there is no such file";
            case java.nio.file.AccessDeniedException _ -> "access is denied";
            default -> e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
        };
    }
}
