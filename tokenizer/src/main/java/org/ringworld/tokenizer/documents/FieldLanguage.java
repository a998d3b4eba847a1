package org.ringworld.tokenizer.documents;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.RowRandom;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.chat.ChatTemplate;
import tools.jackson.databind.JsonNode;

/**
 * LWM's language of fields: how a line of jsonl becomes a document. {@code [question],answer} is
 * the text of the field question without loss, then that of answer with it. {@code a+b} joins two
 * texts, {@code <|bos|>} and {@code <|eos|>} are those tokens, and a field with {@code vision} in
 * its name holds the codes of frames.
 *
 * <p>A field alone that is a list is a chat, whose template writes BOS and EOS; so is {@code
 * messages} or {@code conversations} of a line without the text that is asked for.
 *
 * @param fields one line of the language, or several of which each example's seed picks one
 * @param fromExample name of the field that holds the line or the list for its own example; null:
 *     {@code fields} counts
 * @param separator between joined texts
 * @param bos whether BOS comes before everything, without loss, if the tokenizer adds one
 * @param eos whether EOS comes after everything, with loss
 * @param prepended text before the first field, where that is one of text
 * @param tokensPerFrame codes of a frame
 * @param mostFrames frames of a vision field, picked at even distances where there are more; 0: all
 * @param weights of fields in the loss, 1 where none is given
 * @param chat the template of chats
 */
public record FieldLanguage(
        List<String> fields,
        String fromExample,
        String separator,
        boolean bos,
        boolean eos,
        String prepended,
        int tokensPerFrame,
        int mostFrames,
        Map<String, Float> weights,
        ChatTemplate chat) {
    private static final int SEED = 0xf1e1d;

    /**
     * @throws IllegalArgumentException where a line is not of the language
     */
    public FieldLanguage {
        fields = List.copyOf(fields);
        // In one order: a cache's checksum depends on it.
        weights = Collections.unmodifiableMap(new TreeMap<>(weights));
        if (fromExample == null) {
            if (fields.isEmpty()) {
                throw new IllegalArgumentException("fields names no field");
            }
            fields.forEach(FieldLanguage::parse);
        }
        if (tokensPerFrame < 1) {
            throw new IllegalArgumentException(
                    "tokensPerFrame = " + tokensPerFrame + " must be at least 1");
        }
    }

    /** With LWM's template of chats. */
    public FieldLanguage(
            List<String> fields,
            String fromExample,
            String separator,
            boolean bos,
            boolean eos,
            String prepended,
            int tokensPerFrame,
            int mostFrames,
            Map<String, Float> weights) {
        this(
                fields,
                fromExample,
                separator,
                bos,
                eos,
                prepended,
                tokensPerFrame,
                mostFrames,
                weights,
                ChatTemplate.lwm());
    }

    /** The same with another template of chats. */
    public FieldLanguage withChat(ChatTemplate template) {
        return new FieldLanguage(
                fields,
                fromExample,
                separator,
                bos,
                eos,
                prepended,
                tokensPerFrame,
                mostFrames,
                weights,
                template);
    }

    /** LWM's defaults around a line of the language. */
    public static FieldLanguage of(String fields) {
        return new FieldLanguage(List.of(fields), null, " ", true, true, "", 256, 0, Map.of());
    }

    private record Field(List<String> names, boolean loss) {}

    private static List<Field> parse(String line) {
        List<Field> fields = new ArrayList<>();
        for (String part : line.split(",", -1)) {
            boolean opens = part.startsWith("[");
            if (opens != part.endsWith("]")) {
                throw new IllegalArgumentException(
                        "fields %s: the bracket of %s holds more than one field; write [a],[b]"
                                .formatted(line, part));
            }
            String inside = opens ? part.substring(1, part.length() - 1) : part;
            List<String> names = List.of(inside.split("\\+", -1));
            if (names.contains("")) {
                throw new IllegalArgumentException(
                        "fields \"%s\": a field's name is missing".formatted(line));
            }
            fields.add(new Field(names, !opens));
        }
        return fields;
    }

    /**
     * The document of an example.
     *
     * @param seed of the example: its line, so that another order or another host picks the same
     * @throws DataException where a field is missing or of the wrong kind; the message names it
     */
    public TokenizedDocument document(JsonNode example, long seed, Tokenizer tokenizer)
            throws DataException {
        List<Field> parsed = parsed(example, seed);
        String chatField = chatField(example, parsed);
        if (chatField != null) {
            return ChatDocument.of(
                    example,
                    chatField,
                    visionOf(example),
                    tokensPerFrame,
                    weight(parsed.getFirst()),
                    chat,
                    tokenizer);
        }
        DocumentBuilder document = new DocumentBuilder(tokenizer);
        if (bos && tokenizer.addsBos()) {
            document.token(tokenizer.bos(), 0);
        }
        boolean first = true;
        for (Field field : parsed) {
            String name = field.names().getFirst();
            float weight = weight(field);
            if (name.equals("<|bos|>")) {
                document.token(tokenizer.bos(), weight);
            } else if (name.equals("<|eos|>")) {
                document.token(tokenizer.eos(), weight);
            } else if (name.contains("vision")) {
                document.vision(codes(example.path(name), name), tokensPerFrame, weight);
            } else {
                String text = text(example, field.names());
                document.text(first ? prepended + text : text, weight);
            }
            first = false;
        }
        if (eos) {
            document.token(tokenizer.eos(), 1);
        }
        return document.build();
    }

    private float weight(Field field) {
        return field.loss() ? weights.getOrDefault(field.names().getFirst(), 1f) : 0;
    }

    /** The one that is a chat; null where the example is none. */
    private static String chatField(JsonNode example, List<Field> parsed) {
        if (parsed.size() > 1 || parsed.getFirst().names().size() > 1) {
            return null;
        }
        String name = parsed.getFirst().names().getFirst();
        if (name.contains("vision")) {
            return null;
        }
        boolean asked = name.equals("text") && example.path(name).isMissingNode();
        return asked ? ChatDocument.field(example) : example.path(name).isArray() ? name : null;
    }

    /** The codes of each image and video, in the order of the fields' names. */
    private List<int[]> visionOf(JsonNode example) throws DataException {
        List<int[]> vision = new ArrayList<>();
        for (String name : new TreeSet<>(example.propertyNames())) {
            JsonNode field = example.path(name);
            if (!name.contains("vision") || field.isNull()) {
                continue;
            }
            boolean several = field.isArray() && field.path(0).isArray();
            for (JsonNode codes : several ? field.values() : List.of(field)) {
                vision.add(codes(codes, name));
            }
        }
        return vision;
    }

    private List<Field> parsed(JsonNode example, long seed) throws DataException {
        if (fromExample == null) {
            return parse(pick(fields, seed));
        }
        JsonNode own = example.path(fromExample);
        List<String> lines =
                own.isArray()
                        ? own.valueStream().map(line -> line.asString("")).toList()
                        : List.of(own.asString(""));
        if (lines.isEmpty()) {
            throw new DataException("has an empty list in its field " + fromExample);
        }
        try {
            return parse(pick(lines, seed));
        } catch (IllegalArgumentException e) {
            throw new DataException("has a wrong field " + fromExample + ": " + e.getMessage(), e);
        }
    }

    private static String pick(List<String> lines, long seed) {
        return lines.size() == 1 ? lines.getFirst() : RowRandom.of(SEED, seed).pick(lines);
    }

    private String text(JsonNode example, List<String> names) throws DataException {
        List<String> texts = new ArrayList<>();
        for (String name : names) {
            JsonNode text = example.path(name);
            if (text.isMissingNode()) {
                throw new DataException(
                        "has no field %s; it has %s"
                                .formatted(
                                        name,
                                        example.isEmpty()
                                                ? "none"
                                                : String.join(", ", example.propertyNames())));
            }
            if (!text.isString()) {
                throw new DataException(
                        "has a field %s that is no string but %s"
                                .formatted(name, text.getNodeType()));
            }
            texts.add(text.stringValue());
        }
        return String.join(separator, texts);
    }

    private int[] codes(JsonNode field, String name) throws DataException {
        if (!field.isArray()) {
            throw new DataException(
                    field.isMissingNode()
                            ? "has no field " + name
                            : "has a field " + name + " that is no list of codes");
        }
        int[] codes = new int[field.size()];
        for (int i = 0; i < codes.length; i++) {
            JsonNode code = field.path(i);
            if (!code.isInt() || !VisionCodes.isCode(code.intValue())) {
                throw new DataException(
                        "has a field %s whose element %d, %s, is no code of 0 to %d"
                                .formatted(name, i, code, VisionCodes.COUNT - 1));
            }
            codes[i] = code.intValue();
        }
        if (codes.length == 0 || codes.length % tokensPerFrame != 0) {
            throw new DataException(
                    "has a field %s of %d codes, which are no whole frames of %d"
                            .formatted(name, codes.length, tokensPerFrame));
        }
        return VisionCodes.sample(codes, tokensPerFrame, mostFrames);
    }
}
