package org.ringworld.tokenizer.bpe;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.TokenizerFiles;
import org.ringworld.tokenizer.Utf8;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * A {@code tokenizer.json} of type BPE that was checked piece by piece: the library behind it ends
 * the whole process over some faults.
 *
 * @param vocab ids of the model's pieces
 * @param added tokens that are looked for in the text before anything else
 */
record HuggingFaceJson(Path file, JsonNode json, Map<String, Integer> vocab, List<Added> added) {
    private static final String UNREACHABLE = "\ufdd0";
    private static final int LARGEST_VOCABULARY = 1 << 22;
    // None that can leave nothing of a text: the library cannot have an added token of that.
    private static final Set<String> NORMALIZERS =
            Set.of("Prepend", "Replace", "NFC", "NFD", "NFKC", "NFKD", "Lowercase");
    private static final Set<String> PRE_TOKENIZERS =
            Set.of(
                    "ByteLevel",
                    "Metaspace",
                    "Split",
                    "Digits",
                    "Punctuation",
                    "Whitespace",
                    "WhitespaceSplit");

    /** A token outside of the merges. */
    record Added(int id, String content, boolean special, JsonNode json) {}

    /**
     * @param beside added tokens that the files beside it name, and it need not
     */
    static HuggingFaceJson read(Path file, JsonNode given, List<TokenizerFiles.Added> beside)
            throws DataException {
        JsonNode json = given;
        JsonNode model = json.path("model");
        // Older files name no type; theirs is BPE where there are merges.
        String type = model.path("type").asString(model.has("merges") ? "BPE" : "");
        require(type.equals("BPE"), file, "its model is of type " + type + ", only BPE is read");
        requireKinds(file, "normalizer", "normalizers", json.path("normalizer"), NORMALIZERS);
        requireKinds(
                file, "pre_tokenizer", "pretokenizers", json.path("pre_tokenizer"), PRE_TOKENIZERS);
        for (String key : List.of("continuing_subword_prefix", "end_of_word_suffix")) {
            require(
                    model.path(key).asString("").isEmpty(),
                    file,
                    "model." + key + " is not supported");
        }
        Map<String, Integer> vocab = vocab(file, model.path("vocab"));
        for (JsonNode merge : model.path("merges").values()) {
            List<String> pair = pair(merge);
            boolean known =
                    pair.size() == 2
                            && vocab.containsKey(pair.get(0))
                            && vocab.containsKey(pair.get(1))
                            && vocab.containsKey(pair.get(0) + pair.get(1));
            require(known, file, "the merge " + merge + " is not of pieces of its vocab");
        }
        JsonNode unknown = model.path("unk_token");
        require(
                unknown.isMissingNode()
                        || unknown.isNull()
                        || unknown.isString() && vocab.containsKey(unknown.stringValue()),
                file,
                "its unk_token " + unknown + " is not in its vocab");
        json = withAdded(json, vocab, beside);
        return new HuggingFaceJson(file, json, vocab, added(file, json, vocab));
    }

    private static void require(boolean condition, Path file, String fault) throws DataException {
        if (!condition) {
            throw new DataException(file + ": " + fault);
        }
    }

    private static void requireKinds(
            Path file, String what, String list, JsonNode part, Set<String> known)
            throws DataException {
        if (part.isMissingNode() || part.isNull()) {
            return;
        }
        String type = part.path("type").asString("");
        if (type.equals("Sequence")) {
            for (JsonNode one : part.path(list).values()) {
                requireKinds(file, what, list, one, known);
            }
        } else {
            require(known.contains(type), file, "its %s %s is not supported".formatted(what, type));
            require(
                    !type.equals("Replace") || !part.path("content").asString("").isEmpty(),
                    file,
                    "its normalizer replaces text by nothing, which is not supported");
            String regex = part.path("pattern").path("Regex").asString("");
            require(
                    !repeatsGroup(regex),
                    file,
                    "its %s repeats a group in %s, which may take for ever".formatted(what, regex));
        }
    }

    /**
     * Whether a pattern has a group with {@code *}, {@code +} or a count after it. Where such a one
     * backtracks without end, the library ends the process; no tokenizer that is in use has one.
     */
    private static boolean repeatsGroup(String regex) {
        boolean inClass = false;
        for (int at = 0; at < regex.length(); at++) {
            char c = regex.charAt(at);
            if (c == '\\') {
                at++;
            } else if (c == '[' || c == ']') {
                inClass = c == '[';
            } else if (c == ')' && !inClass && at + 1 < regex.length()) {
                if ("*+{".indexOf(regex.charAt(at + 1)) >= 0) {
                    return true;
                }
            }
        }
        return false;
    }

    private static Map<String, Integer> vocab(Path file, JsonNode json) throws DataException {
        require(json.isObject() && !json.isEmpty(), file, "has no model.vocab");
        Map<String, Integer> vocab = new HashMap<>();
        Set<Integer> ids = new HashSet<>();
        for (Map.Entry<String, JsonNode> piece : json.properties()) {
            int id = piece.getValue().isInt() ? piece.getValue().intValue() : -1;
            require(
                    id >= 0
                            && id < LARGEST_VOCABULARY
                            && ids.add(id)
                            && isWellFormed(piece.getKey()),
                    file,
                    "the piece %s has the id %s, which is no number, too large or not its own"
                            .formatted(piece.getKey(), piece.getValue()));
            vocab.put(piece.getKey(), id);
        }
        return vocab;
    }

    private static boolean isWellFormed(String text) {
        return Utf8.wellFormed(text).equals(text);
    }

    static List<String> pair(JsonNode merge) {
        if (merge.isArray()) {
            return merge.valueStream().map(p -> p.asString("")).toList();
        }
        return List.of(merge.asString("").split(" ", -1));
    }

    private static List<Added> added(Path file, JsonNode json, Map<String, Integer> vocab)
            throws DataException {
        List<Added> added = new ArrayList<>();
        for (JsonNode token : json.path("added_tokens").values()) {
            String content = token.path("content").asString("");
            JsonNode id = token.path("id");
            require(
                    !content.isEmpty() && isWellFormed(content) && id.isInt(),
                    file,
                    "the added token " + token + " has no content or no id");
            added.add(
                    new Added(
                            id.intValue(), content, token.path("special").asBoolean(false), token));
        }
        int[] given = givenIds(added, vocab);
        for (int i = 0; i < given.length; i++) {
            require(
                    given[i] == added.get(i).id(),
                    file,
                    "the added token %s has the id %d, but follows on %d"
                            .formatted(added.get(i).content(), added.get(i).id(), given[i] - 1));
        }
        return added;
    }

    /** With those added tokens that it lacks and for which it has a place. */
    private static JsonNode withAdded(
            JsonNode json, Map<String, Integer> vocab, List<TokenizerFiles.Added> beside) {
        Set<String> known = new HashSet<>();
        json.path("added_tokens").forEach(token -> known.add(token.path("content").asString("")));
        int next = vocab.size();
        for (JsonNode token : json.path("added_tokens")) {
            next = Math.max(next, token.path("id").asInt(-1) + 1);
        }
        ObjectNode with = (ObjectNode) json.deepCopy();
        ArrayNode tokens =
                with.path("added_tokens").isArray()
                        ? (ArrayNode) with.path("added_tokens")
                        : with.putArray("added_tokens");
        for (TokenizerFiles.Added token : beside) {
            boolean fits = vocab.getOrDefault(token.content(), next) == token.id();
            if (fits && isWellFormed(token.content()) && known.add(token.content())) {
                next = Math.max(next, token.id() + 1);
                ObjectNode one = tokens.addObject();
                one.put("id", token.id()).put("content", token.content());
                for (String flag : List.of("single_word", "lstrip", "rstrip", "normalized")) {
                    one.put(flag, false);
                }
                one.put("special", token.special());
            }
        }
        return with;
    }

    /** Whether its processor puts this token before a text. */
    boolean beginsWith(int id) {
        return beginsWith(json.path("post_processor"), id);
    }

    private boolean beginsWith(JsonNode processor, int id) {
        for (JsonNode one : processor.path("processors")) {
            if (beginsWith(one, id)) {
                return true;
            }
        }
        String first =
                processor.path("single").path(0).path("SpecialToken").path("id").asString("");
        JsonNode ids = processor.path("special_tokens").path(first).path("ids");
        return ids.path(0).asInt(-1) == id;
    }

    /** The ids that the library gives added tokens: those of the vocab, then the next ones. */
    static int[] givenIds(List<Added> added, Map<String, Integer> vocab) {
        Map<String, Integer> given = new HashMap<>();
        int next = vocab.size();
        int[] ids = new int[added.size()];
        for (int i = 0; i < ids.length; i++) {
            String content = added.get(i).content();
            Integer known = vocab.getOrDefault(content, given.get(content));
            ids[i] = known == null ? next : known;
            next = Math.max(next, ids[i] + 1);
            given.put(content, ids[i]);
        }
        return ids;
    }

    /**
     * The same without its special tokens: neither looked for in the text, nor made by merges or
     * found whole in the vocab, where they keep their ids under names that no text has. Only the
     * unknown token stays.
     */
    HuggingFaceJson withoutSpecials() {
        Set<String> gone = new HashSet<>();
        added.stream().filter(Added::special).forEach(token -> gone.add(token.content()));
        gone.remove(json.path("model").path("unk_token").asString(""));
        ObjectNode copy = (ObjectNode) json.deepCopy();
        ObjectNode model = (ObjectNode) copy.path("model");
        ObjectNode pieces = (ObjectNode) model.path("vocab");
        Map<String, Integer> renamed = new HashMap<>(vocab);
        for (String name : gone) {
            if (renamed.remove(name) != null) {
                // Two characters need a merge, and whole words are those of byte letters.
                renamed.put(UNREACHABLE + name, vocab.get(name));
                pieces.set(UNREACHABLE + name, pieces.remove(name));
            }
        }
        ArrayNode merges = model.putArray("merges");
        for (JsonNode merge : json.path("model").path("merges").values()) {
            List<String> two = pair(merge);
            boolean stays = two.stream().noneMatch(gone::contains);
            if (stays && !gone.contains(String.join("", two))) {
                merges.add(merge);
            }
        }
        return new HuggingFaceJson(
                file, copy, renamed, added.stream().filter(token -> !token.special()).toList());
    }

    /**
     * What the library is given: what decides ids and nothing else, without truncation, padding and
     * dropout.
     */
    String forLibrary() {
        ObjectNode own = JsonNodeFactory.instance.objectNode();
        own.put("version", "1.0");
        ArrayNode addedTokens = own.putArray("added_tokens");
        added.forEach(token -> addedTokens.add(token.json()));
        own.set("normalizer", orNull("normalizer", json));
        own.set("pre_tokenizer", orNull("pre_tokenizer", json));
        JsonNode model = json.path("model");
        ObjectNode bpe = own.putObject("model");
        bpe.put("type", "BPE");
        bpe.set("unk_token", orNull("unk_token", model));
        for (String key : List.of("fuse_unk", "byte_fallback", "ignore_merges")) {
            bpe.put(key, model.path(key).asBoolean(false));
        }
        bpe.set("vocab", model.path("vocab"));
        ArrayNode merges = bpe.putArray("merges");
        for (JsonNode merge : model.path("merges").values()) {
            ArrayNode two = merges.addArray();
            pair(merge).forEach(two::add);
        }
        return own.toString();
    }

    private static JsonNode orNull(String key, JsonNode in) {
        return in.has(key) ? in.path(key) : JsonNodeFactory.instance.nullNode();
    }
}
