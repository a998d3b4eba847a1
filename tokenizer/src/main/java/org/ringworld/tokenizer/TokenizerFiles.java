package org.ringworld.tokenizer;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * A tokenizer's own file and those of a model directory that belong to it, as they are on disk.
 *
 * @param file the one that was named
 * @param contents of it and of those beside it, by file name
 */
public record TokenizerFiles(Path file, Map<String, byte[]> contents) {
    /** The model's, of which only the ids of tokens are read; it is not the tokenizer's to save. */
    private static final String CONFIG = "config.json";

    private static final List<String> BESIDE =
            List.of(
                    "tokenizer.json",
                    "tokenizer.model",
                    "tokenizer_config.json",
                    "special_tokens_map.json",
                    "added_tokens.json",
                    "generation_config.json",
                    "chat_template.jinja",
                    "chat_template.json",
                    CONFIG);

    /** Those that name the special tokens. */
    private static final List<String> NAMING =
            List.of("tokenizer_config.json", "special_tokens_map.json", "generation_config.json");

    private static final int LONGEST = 1 << 27;
    private static final int LARGEST_VOCABULARY = 1 << 22;

    public static TokenizerFiles read(Path file) throws DataException {
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
    public byte[] main() {
        return contents.get(file.getFileName().toString());
    }

    /** Of what decides ids: the file itself and what names the special tokens. */
    public long checksum() {
        CRC32C own = new CRC32C();
        own.update(main());
        CRC32C beside = new CRC32C();
        for (String name : NAMING) {
            beside.update(contents.getOrDefault(name, new byte[0]));
        }
        beside.update(contents.getOrDefault("added_tokens.json", new byte[0]));
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
    public JsonNode json(String name) throws DataException {
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
    public String token(String key) throws DataException {
        for (String name : NAMING) {
            JsonNode token = json(name).path(key);
            JsonNode content = token.isObject() ? token.path("content") : token;
            if (content.isString()) {
                return content.stringValue();
            }
        }
        return null;
    }

    /**
     * The id that the model's files give ({@code eos_token_id}, …), the first of several, or −1.
     */
    public int tokenId(String key) throws DataException {
        Set<Integer> ids = new LinkedHashSet<>();
        for (String name : List.of("generation_config.json", CONFIG)) {
            ids.addAll(ids(json(name).path(key)));
        }
        return ids.isEmpty() ? -1 : ids.iterator().next();
    }

    private static List<Integer> ids(JsonNode json) {
        return (json.isArray() ? json.valueStream() : Stream.of(json))
                .filter(id -> id.isInt() && id.intValue() >= 0)
                .map(JsonNode::intValue)
                .toList();
    }

    /**
     * The tokenizer's own end of a text, and all that the model's files give as {@code
     * eos_token_id}.
     */
    public Set<Integer> ends(int eos) throws DataException {
        Set<Integer> ends = new LinkedHashSet<>(Set.of(eos));
        ends.addAll(ids(json("generation_config.json").path("eos_token_id")));
        ends.addAll(ids(json(CONFIG).path("eos_token_id")));
        return Collections.unmodifiableSet(ends);
    }

    /** Whether texts begin with BOS: what {@code add_bos_token} says, else {@code otherwise}. */
    public boolean addsBos(boolean otherwise) throws DataException {
        return json("tokenizer_config.json").path("add_bos_token").asBoolean(otherwise);
    }

    /**
     * A token that was added to those of the tokenizer's own file.
     *
     * @param special whether a text that users write never becomes it
     */
    public record Added(int id, String content, boolean special) {}

    /**
     * Those of {@code added_tokens.json} and of {@code tokenizer_config.json}, by their ids.
     *
     * @throws DataException where one has no text, or two have one id
     */
    public List<Added> added() throws DataException {
        Map<Integer, Added> added = new TreeMap<>();
        Set<String> named = named();
        for (Map.Entry<String, JsonNode> token : json("added_tokens.json").properties()) {
            String content = token.getKey();
            // The file does not say; marks such as <|im_start|> are what such tokens are made for.
            boolean mark = content.matches("(?s)<.+>|\\[.+\\]");
            int id = token.getValue().asInt(-1);
            add(added, new Added(id, content, mark || named.contains(content)));
        }
        JsonNode decoder = json("tokenizer_config.json").path("added_tokens_decoder");
        for (Map.Entry<String, JsonNode> token : decoder.properties()) {
            String content = token.getValue().path("content").asString("");
            boolean special = token.getValue().path("special").asBoolean(false);
            int id = token.getKey().matches("[0-9]{1,9}") ? Integer.parseInt(token.getKey()) : -1;
            Added known = added.get(id);
            if (known != null && known.content.equals(content)) {
                added.remove(id);
            }
            add(added, new Added(id, content, special || named.contains(content)));
        }
        return List.copyOf(added.values());
    }

    private void add(Map<Integer, Added> added, Added token) throws DataException {
        if (token.content.isEmpty()
                || token.id < 0
                || token.id >= LARGEST_VOCABULARY
                || added.put(token.id, token) != null) {
            throw new DataException(
                    "%s: the added token %s has the id %d, which is none or not its own"
                            .formatted(file.resolveSibling("."), token.content, token.id));
        }
    }

    /** What the files name as special tokens. */
    private Set<String> named() throws DataException {
        Set<String> named = new HashSet<>();
        for (String name : List.of("tokenizer_config.json", "special_tokens_map.json")) {
            for (Map.Entry<String, JsonNode> entry : json(name).properties()) {
                if (entry.getKey().endsWith("_token") || entry.getKey().endsWith("_tokens")) {
                    JsonNode value = entry.getValue();
                    (value.isArray() ? value.valueStream() : Stream.of(value))
                            .map(token -> token.isObject() ? token.path("content") : token)
                            .forEach(token -> named.add(token.asString("")));
                }
            }
        }
        return named;
    }

    /**
     * Writes all files byte for byte, the main one under the name that other tools look for. What
     * ends a text is written down where it was said by the model's {@code config.json} alone.
     */
    public void save(Path directory, String mainName, Tokenizer tokenizer) throws DataException {
        String own = file.getFileName().toString();
        try {
            for (Map.Entry<String, byte[]> one : contents.entrySet()) {
                String name = one.getKey().equals(own) ? mainName : one.getKey();
                if (!name.equals(CONFIG)) {
                    Files.write(directory.resolve(name), one.getValue());
                }
            }
            JsonNode generation = json("generation_config.json");
            if (!ids(generation.path("eos_token_id")).containsAll(tokenizer.ends())) {
                Files.writeString(
                        directory.resolve("generation_config.json"),
                        withIds((ObjectNode) generation.deepCopy(), tokenizer));
            }
        } catch (IOException e) {
            throw new DataException(directory + ": cannot be written: " + e.getMessage(), e);
        }
    }

    private static String withIds(ObjectNode generation, Tokenizer tokenizer) {
        if (!generation.has("bos_token_id") && tokenizer.bos() != tokenizer.eos()) {
            generation.put("bos_token_id", tokenizer.bos());
        }
        if (tokenizer.ends().size() == 1) {
            generation.put("eos_token_id", tokenizer.eos());
        } else {
            ArrayNode ends = generation.putArray("eos_token_id");
            tokenizer.ends().forEach(ends::add);
        }
        if (!generation.has("pad_token_id") && tokenizer.pad() != tokenizer.eos()) {
            generation.put("pad_token_id", tokenizer.pad());
        }
        return JsonMapper.shared().writerWithDefaultPrettyPrinter().writeValueAsString(generation)
                + "\n";
    }
}
