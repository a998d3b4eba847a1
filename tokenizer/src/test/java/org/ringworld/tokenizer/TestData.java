package org.ringworld.tokenizer;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Cases copied into the test resources, and larger ones of the project's shared test data. */
public final class TestData {
    private TestData() {}

    public static Path resource(String name) throws Exception {
        return Path.of(TestData.class.getResource("/" + name).toURI());
    }

    /** A file of the shared data; the test is skipped where it is missing. */
    public static Path shared(String below) {
        Path path = Path.of("../../shared/data").resolve(below);
        assumeTrue(Files.exists(path), "shared test data is not here: data/" + below);
        return path;
    }

    public static JsonNode json(String resource) throws Exception {
        return JsonMapper.shared().readTree(resource(resource).toFile());
    }

    public static List<JsonNode> jsonLines(String resource) throws Exception {
        List<JsonNode> lines = new ArrayList<>();
        for (String line : Files.readString(resource(resource)).split("\n")) {
            lines.add(JsonMapper.shared().readTree(line));
        }
        return lines;
    }

    public static int[] ids(JsonNode array) {
        return array.valueStream().mapToInt(JsonNode::asInt).toArray();
    }

    /** Of ids as 32-bit numbers, little end first. */
    public static long crc(int[] ids) {
        CRC32 crc = new CRC32();
        for (int id : ids) {
            for (int shift = 0; shift < 32; shift += 8) {
                crc.update(id >>> shift);
            }
        }
        return crc.getValue();
    }

    /** The text of tokens that arrive one by one, no part of which ends in half a character. */
    public static String stream(Tokenizer tokenizer, int[] ids) {
        TextDecoder decoder = tokenizer.decoder();
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            String part = decoder.next(id);
            if (!part.isEmpty() && Character.isHighSurrogate(part.charAt(part.length() - 1))) {
                throw new AssertionError("half a character after " + text);
            }
            text.append(part);
        }
        return text + decoder.finish();
    }
}
