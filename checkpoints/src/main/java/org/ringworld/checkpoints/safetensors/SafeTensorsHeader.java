package org.ringworld.checkpoints.safetensors;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.SourceType;
import org.ringworld.checkpoints.TensorSpec;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.json.JsonFactory;

/**
 * The header of a safetensors file, checked as the format demands: known types, shapes that do not
 * overflow and fit their bytes, no tensor twice, no overlap, no hole, nothing after the last byte.
 */
final class SafeTensorsHeader {
    // No array has more axes; keeps a hostile header from filling the heap with one shape.
    private static final int MOST_AXES = 64;
    private static final JsonFactory JSON = new JsonFactory();

    private final Path file;
    private final JsonParser parser;
    private final Map<String, SafeTensors.Info> tensors = new LinkedHashMap<>();
    private final Map<String, String> metadata = new LinkedHashMap<>();
    private boolean hasMetadata;

    private SafeTensorsHeader(Path file, JsonParser parser) {
        this.file = file;
        this.parser = parser;
    }

    record Parsed(Map<String, SafeTensors.Info> tensors, Map<String, String> metadata) {}

    /**
     * @param dataBytes bytes of the file that follow the header
     */
    static Parsed parse(Path file, String json, long dataBytes) throws CheckpointException {
        try (JsonParser parser = JSON.createParser(ObjectReadContext.empty(), json)) {
            SafeTensorsHeader header = new SafeTensorsHeader(file, parser);
            header.readEntries();
            header.checkLayout(dataBytes);
            return new Parsed(
                    Collections.unmodifiableMap(header.tensors),
                    Collections.unmodifiableMap(header.metadata));
        } catch (JacksonException e) {
            throw new CheckpointException(
                    "%s: its header is not valid JSON: %s".formatted(file, e.getOriginalMessage()),
                    e);
        }
    }

    private void readEntries() throws CheckpointException {
        expect(JsonToken.START_OBJECT, "an object", parser.nextToken());
        while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
            String name = parser.currentName();
            JsonToken value = parser.nextToken();
            expect(JsonToken.START_OBJECT, "an object for '" + name + "'", value);
            if (name.equals("__metadata__")) {
                refuseTwice(name, "strings", hasMetadata ? metadata : null);
                hasMetadata = true;
                readMetadata();
            } else if (tensors.put(name, readInfo(name)) != null) {
                throw fault("tensor '" + name + "' is there twice");
            }
        }
        if (parser.nextToken() != null) {
            throw fault("its header goes on after the closing brace");
        }
    }

    private void readMetadata() throws CheckpointException {
        while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
            String key = parser.currentName();
            expect(JsonToken.VALUE_STRING, "a string for '" + key + "'", parser.nextToken());
            metadata.put(key, parser.getString());
        }
    }

    private SafeTensors.Info readInfo(String name) throws CheckpointException {
        SourceType type = null;
        long[] shape = null;
        long[] offsets = null;
        while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
            String key = parser.currentName();
            JsonToken value = parser.nextToken();
            switch (key) {
                case "dtype" -> {
                    refuseTwice(name, key, type);
                    type = type(name, value);
                }
                case "shape" -> {
                    refuseTwice(name, key, shape);
                    shape = sizes(name, key, value);
                }
                case "data_offsets" -> {
                    refuseTwice(name, key, offsets);
                    offsets = sizes(name, key, value);
                }
                default -> parser.skipChildren();
            }
        }
        if (type == null || shape == null || offsets == null || offsets.length != 2) {
            throw fault("tensor '" + name + "' lacks dtype, shape or a pair of data_offsets");
        }
        checkBytes(name, type, shape, offsets);
        return new SafeTensors.Info(type, shape, offsets[0], offsets[1]);
    }

    private void refuseTwice(String name, String key, Object before) throws CheckpointException {
        if (before != null) {
            throw fault("tensor '%s' has %s twice".formatted(name, key));
        }
    }

    private SourceType type(String name, JsonToken token) throws CheckpointException {
        expect(JsonToken.VALUE_STRING, "a string as dtype of '" + name + "'", token);
        String text = parser.getString();
        try {
            return SourceType.valueOf(text);
        } catch (IllegalArgumentException e) {
            throw fault("tensor '%s' has the unknown dtype %s".formatted(name, text));
        }
    }

    private long[] sizes(String name, String key, JsonToken token) throws CheckpointException {
        expect(JsonToken.START_ARRAY, "an array as %s of '%s'".formatted(key, name), token);
        List<Long> sizes = new ArrayList<>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            boolean isLong =
                    parser.currentToken() == JsonToken.VALUE_NUMBER_INT
                            && parser.getNumberType() != JsonParser.NumberType.BIG_INTEGER;
            if (!isLong || parser.getLongValue() < 0 || sizes.size() == MOST_AXES) {
                throw fault(
                        "tensor '%s': %s holds %s where a size of at most 63 bits is needed"
                                .formatted(name, key, parser.getString()));
            }
            sizes.add(parser.getLongValue());
        }
        return sizes.stream().mapToLong(Long::longValue).toArray();
    }

    private void checkBytes(String name, SourceType type, long[] shape, long[] offsets)
            throws CheckpointException {
        TensorSpec spec = new TensorSpec(name, shape);
        long bits;
        try {
            // An axis of 0 must not hide an overflow of the others from whoever multiplies later.
            long ofNonEmpty = type.bits();
            bits = type.bits();
            for (long d : shape) {
                ofNonEmpty = Math.multiplyExact(ofNonEmpty, Math.max(d, 1));
                bits = Math.multiplyExact(bits, d);
            }
        } catch (ArithmeticException e) {
            throw fault("tensor " + spec + " has more elements than 64 bits can count");
        }
        long bytes = offsets[1] - offsets[0];
        if (bytes < 0) {
            throw fault("tensor '%s' ends before it begins".formatted(name));
        }
        if (bits % 8 != 0 || bits / 8 != bytes) {
            throw fault(
                    "tensor %s of %s is %d bytes by its shape and %d by its data_offsets"
                            .formatted(spec, type, (bits + 7) / 8, bytes));
        }
    }

    private void checkLayout(long dataBytes) throws CheckpointException {
        List<Map.Entry<String, SafeTensors.Info>> byOffset = new ArrayList<>(tensors.entrySet());
        byOffset.sort(
                Comparator.comparingLong(
                                (Map.Entry<String, SafeTensors.Info> t) -> t.getValue().begin())
                        .thenComparingLong(t -> t.getValue().end()));
        long end = 0;
        String before = "the header";
        for (Map.Entry<String, SafeTensors.Info> entry : byOffset) {
            SafeTensors.Info info = entry.getValue();
            if (info.begin() < end) {
                throw fault("tensors '%s' and '%s' share bytes".formatted(before, entry.getKey()));
            }
            if (info.begin() > end) {
                throw fault(
                        "%d bytes between '%s' and '%s' belong to no tensor"
                                .formatted(info.begin() - end, before, entry.getKey()));
            }
            end = info.end();
            before = entry.getKey();
        }
        for (Map.Entry<String, SafeTensors.Info> entry : byOffset) {
            if (entry.getValue().end() > dataBytes) {
                throw fault(
                        "the file ends %d bytes early, in tensor '%s': fetch or copy it again"
                                .formatted(end - dataBytes, entry.getKey()));
            }
        }
        if (end < dataBytes) {
            throw fault("%d bytes after the last tensor belong to none".formatted(dataBytes - end));
        }
    }

    private void expect(JsonToken expected, String what, JsonToken found)
            throws CheckpointException {
        if (found != expected) {
            throw fault("its header holds no " + what.replaceFirst("^an? ", ""));
        }
    }

    private CheckpointException fault(String message) {
        return new CheckpointException(file + ": " + message);
    }
}
