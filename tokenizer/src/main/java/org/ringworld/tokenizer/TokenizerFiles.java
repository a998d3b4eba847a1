package org.ringworld.tokenizer;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32C;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.JsonNodeFactory;

/**
 * A tokenizer's own file and those of a model directory that belong to it, as they are on disk.
 *
 * @param file the one that was named
 * @param contents of it and of those beside it, by file name
 */
record TokenizerFiles(Path file, Map<String, byte[]> contents) {
    private static final List<String> BESIDE =
            List.of(
                    "tokenizer.json",
                    "tokenizer.model",
                    "tokenizer_config.json",
                    "special_tokens_map.json",
                    "generation_config.json",
                    "chat_template.jinja");

    /** Those that name the special tokens. */
    private static final List<String> NAMING =
            List.of("tokenizer_config.json", "special_tokens_map.json", "generation_config.json");

    private static final int LONGEST = 1 << 27;

    static TokenizerFiles read(Path file) throws DataException {
        Map<String, byte[]> contents = new LinkedHashMap<>();
        contents.put(file.getFileName().toString(), bytes(file));
        for (String name : BESIDE) {
            Path beside = file.resolveSibling(name);
            if (!contents.containsKey(name) && Files.isRegularFile(beside)) {
                contents.put(name, bytes(beside));
            }
        }
        return new TokenizerFiles(file, contents);
    }

    private static byte[] bytes(Path file) throws DataException {
        try {
            if (Files.size(file) > LONGEST) {
                throw new DataException(file + ": is over 128 MiB, which no tokenizer's file is");
            }
            return Files.readAllBytes(file);
        } catch (DataException e) {
            throw e;
        } catch (IOException e) {
            throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
        }
    }

    /** The bytes of the file itself. */
    byte[] main() {
        return contents.get(file.getFileName().toString());
    }

    /** Of what decides ids: the file itself and what names the special tokens. */
    long checksum() {
        CRC32C own = new CRC32C();
        own.update(main());
        CRC32C beside = new CRC32C();
        for (String name : NAMING) {
            beside.update(contents.getOrDefault(name, new byte[0]));
        }
        return own.getValue() << 32 | beside.getValue();
    }

    /** The text of one of the files, or null where there is none. */
    String text(String name) throws DataException {
        byte[] bytes = contents.get(name);
        if (bytes == null) {
            return null;
        }
        int fault = Utf8.firstFault(bytes);
        if (fault >= 0) {
            throw new DataException(
                    "%s: is not UTF-8 at byte %d".formatted(file.resolveSibling(name), fault));
        }
        return new String(bytes, StandardCharsets.UTF_8);
    }

    /** One of the files as JSON; an empty object where there is none. */
    JsonNode json(String name) throws DataException {
        String text = text(name);
        if (text == null) {
            return JsonNodeFactory.instance.objectNode();
        }
        try {
            return JsonMapper.shared().readTree(text);
        } catch (JacksonException e) {
            throw new DataException(
                    file.resolveSibling(name) + ": is not valid JSON: " + e.getOriginalMessage(),
                    e);
        }
    }

    /** The text of a special token that the files name ({@code bos_token}, …), or null. */
    String token(String key) throws DataException {
        for (String name : NAMING) {
            JsonNode token = json(name).path(key);
            JsonNode content = token.isObject() ? token.path("content") : token;
            if (content.isString()) {
                return content.stringValue();
            }
        }
        return null;
    }

    /** The id that generation_config.json gives ({@code eos_token_id}, …), the first of several. */
    int tokenId(String key) throws DataException {
        JsonNode id = json("generation_config.json").path(key);
        return (id.isArray() ? id.path(0) : id).asInt(-1);
    }

    /** Writes all files byte for byte, the main one under the name that other tools look for. */
    void save(Path directory, String mainName) throws DataException {
        String own = file.getFileName().toString();
        try {
            for (Map.Entry<String, byte[]> one : contents.entrySet()) {
                String name = one.getKey().equals(own) ? mainName : one.getKey();
                Files.write(directory.resolve(name), one.getValue());
            }
        } catch (IOException e) {
            throw new DataException(directory + ": cannot be written: " + e.getMessage(), e);
        }
    }
}
