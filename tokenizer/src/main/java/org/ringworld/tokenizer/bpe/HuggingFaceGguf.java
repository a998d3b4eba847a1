package org.ringworld.tokenizer.bpe;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.GgufVocabulary;
import org.ringworld.tokenizer.GgufVocabulary.Model;
import org.ringworld.tokenizer.GgufVocabulary.Token;
import org.ringworld.tokenizer.GgufVocabulary.Type;
import org.ringworld.tokenizer.Tokenizer;
import tools.jackson.databind.JsonNode;

/**
 * A {@code tokenizer.json} as llama.cpp reads it from a GGUF file: byte-level BPE where llama.cpp
 * cuts texts as this one does, or a BPE with byte fallback whose merges follow from scores of its
 * pieces. Another one would give other ids, and is refused.
 */
final class HuggingFaceGguf {
    /** LLaMA 3's cut, and the same with digits one by one (Qwen 2). */
    private static final String LLAMA3 =
            "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
                    + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    private static final String QWEN2 = LLAMA3.replace("\\p{N}{1,3}", "\\p{N}");

    private final HuggingFaceJson json;
    private final JsonNode model;
    private final boolean byteLevel;
    private final List<List<String>> merges;
    private final Map<String, Type> added = new HashMap<>();

    private HuggingFaceGguf(HuggingFaceJson json) {
        this.json = json;
        this.model = json.json().path("model");
        this.byteLevel = !model.path("byte_fallback").asBoolean(false);
        this.merges = model.path("merges").values().stream().map(HuggingFaceJson::pair).toList();
        for (HuggingFaceJson.Added token : json.added()) {
            added.put(token.content(), token.special() ? Type.CONTROL : Type.USER_DEFINED);
        }
    }

    /**
     * @throws DataException naming what llama.cpp has no like of
     */
    static GgufVocabulary of(HuggingFaceJson json, Tokenizer tokenizer) throws DataException {
        HuggingFaceGguf gguf = new HuggingFaceGguf(json);
        gguf.requirePlainAdded();
        String unknown = gguf.model.path("unk_token").asString("");
        return new GgufVocabulary(
                gguf.byteLevel ? Model.BYTE_LEVEL : Model.SENTENCE_PIECE,
                gguf.byteLevel ? gguf.splitter() : "default",
                gguf.tokens(tokenizer.vocabSize(), unknown),
                gguf.byteLevel
                        ? gguf.merges.stream().map(pair -> String.join(" ", pair)).toList()
                        : List.of(),
                !gguf.byteLevel && gguf.prepends(),
                tokenizer.addsBos(),
                tokenizer.bos(),
                tokenizer.eos(),
                tokenizer.ends(),
                json.vocab().getOrDefault(unknown, -1),
                tokenizer.pad() == tokenizer.eos() ? -1 : tokenizer.pad());
    }

    private void require(boolean condition, String what) throws DataException {
        if (!condition) {
            throw new DataException(
                    "%s: llama.cpp has no like of %s: export a copy of the model with its"
                                    .formatted(json.file(), what)
                            + " tokenizer.model in place of this file, or with neither");
        }
    }

    private void requirePlainAdded() throws DataException {
        for (HuggingFaceJson.Added token : json.added()) {
            for (String flag : List.of("lstrip", "rstrip", "single_word")) {
                require(
                        token.special() || !token.json().path(flag).asBoolean(false),
                        "the added token %s with %s".formatted(token.content(), flag));
            }
        }
    }

    /** A part of the file as a list of its steps. */
    private List<JsonNode> steps(String part, String list) {
        JsonNode node = json.json().path(part);
        if (node.isMissingNode() || node.isNull()) {
            return List.of();
        }
        return node.path("type").asString("").equals("Sequence")
                ? List.copyOf(node.path(list).values())
                : List.of(node);
    }

    // ---- byte-level BPE

    /** llama.cpp's name for how this one cuts texts. */
    private String splitter() throws DataException {
        require(steps("normalizer", "normalizers").isEmpty(), "its normalizer in byte-level BPE");
        List<JsonNode> steps = steps("pre_tokenizer", "pretokenizers");
        JsonNode last = steps.isEmpty() ? model : steps.getLast();
        require(
                last.path("type").asString("").equals("ByteLevel")
                        && !last.path("add_prefix_space").asBoolean(true),
                "its pre_tokenizer");
        boolean gpt2 = last.path("use_regex").asBoolean(true);
        boolean whole = model.path("ignore_merges").asBoolean(false);
        String name = null;
        if (steps.size() == 1 && !whole && (gpt2 || merges.isEmpty())) {
            name = "gpt-2";
        } else if (steps.size() == 2 && gpt2 && !whole && cutsDigits(steps.getFirst())) {
            name = "smollm";
        } else if (steps.size() == 2 && !gpt2 && isolates(steps.getFirst())) {
            String regex = steps.getFirst().path("pattern").path("Regex").asString("");
            if (regex.equals(LLAMA3)) {
                name = whole ? "llama-bpe" : "dbrx";
            } else if (regex.equals(QWEN2) && !whole) {
                name = "qwen2";
            }
        }
        require(name != null, "its pre_tokenizer");
        return name;
    }

    private static boolean cutsDigits(JsonNode step) {
        return step.path("type").asString("").equals("Digits")
                && step.path("individual_digits").asBoolean(false);
    }

    private static boolean isolates(JsonNode step) {
        return step.path("type").asString("").equals("Split")
                && step.path("behavior").asString("").equals("Isolated")
                && !step.path("invert").asBoolean(false);
    }

    // ---- BPE with byte fallback

    /** Whether a text gets a space in front; all it does besides is to write spaces as marks. */
    private boolean prepends() throws DataException {
        require(steps("pre_tokenizer", "pretokenizers").isEmpty(), "its pre_tokenizer");
        require(!model.path("ignore_merges").asBoolean(false), "ignore_merges with byte_fallback");
        boolean prepends = false;
        boolean marks = false;
        for (JsonNode step : steps("normalizer", "normalizers")) {
            String mark = SentencePieceModel.SPACE;
            String type = step.path("type").asString("");
            boolean prepend =
                    type.equals("Prepend") && step.path("prepend").asString("").equals(mark);
            boolean replace =
                    type.equals("Replace")
                            && step.path("pattern").path("String").asString("").equals(" ")
                            && step.path("content").asString("").equals(mark);
            require(prepend || replace, "its normalizer");
            prepends |= prepend;
            marks |= replace;
        }
        require(marks, "a normalizer that leaves spaces");
        return prepends;
    }

    /** Minus the place of a piece's merges among all, which must follow on each other. */
    private Map<String, Float> scores() throws DataException {
        Map<String, Float> scores = new HashMap<>();
        Set<List<String>> pairs = new HashSet<>(merges);
        String last = "";
        for (List<String> pair : merges) {
            String piece = String.join("", pair);
            require(
                    piece.equals(last) || !scores.containsKey(piece),
                    "merges of a piece (%s) that do not follow on each other".formatted(piece));
            scores.putIfAbsent(piece, (float) -scores.size());
            last = piece;
        }
        for (String piece : json.vocab().keySet()) {
            for (int at = 1; at < piece.length() && !added.containsKey(piece); at++) {
                List<String> two = List.of(piece.substring(0, at), piece.substring(at));
                require(
                        !json.vocab().keySet().containsAll(two) || pairs.contains(two),
                        "two pieces (%s) that make a third and are not merged".formatted(two));
            }
        }
        return scores;
    }

    private List<Token> tokens(int size, String unknown) throws DataException {
        Map<String, Float> scores = byteLevel ? Map.of() : scores();
        List<Token> tokens = new ArrayList<>();
        for (int id = 0; id < size; id++) {
            tokens.add(Token.unused(id));
        }
        for (Map.Entry<String, Integer> piece : json.vocab().entrySet()) {
            String text = piece.getKey();
            Type type = Type.NORMAL;
            if (!byteLevel && text.matches("<0x[0-9A-F]{2}>")) {
                type = Type.BYTE;
            } else if (text.equals(unknown)) {
                type = Type.UNKNOWN;
            }
            tokens.set(piece.getValue(), new Token(text, scores.getOrDefault(text, 0f), type));
        }
        for (HuggingFaceJson.Added token : json.added()) {
            String text = token.content();
            Type type = text.equals(unknown) ? Type.UNKNOWN : added.get(text);
            tokens.set(token.id(), new Token(text, GgufVocabulary.LAST, type));
        }
        return tokens;
    }
}
