package org.ringworld.tokenizer;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.ringworld.tokenizer.bpe.ByteLetters;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * The byte tokenizer as Hugging Face's {@code tokenizer.json}: a byte-level BPE without merges, in
 * which byte b has id b, and four special tokens after them.
 */
final class ByteTokenizerJson {
    private static final JsonMapper MAPPER = JsonMapper.builder().build();
    static final String[] SPECIALS = {"<s>", "</s>", "<pad>", "<unk>"};

    private ByteTokenizerJson() {}

    static void write(Path directory) throws DataException {
        try {
            Files.writeString(directory.resolve("tokenizer.json"), pretty(tokenizer()));
            Files.writeString(directory.resolve("tokenizer_config.json"), pretty(config()));
            // Transformers ends a generation by these ids; config.json alone would say 1 and 2.
            ObjectNode generation = JsonNodeFactory.instance.objectNode();
            generation.put("bos_token_id", ByteTokenizer.BOS);
            generation.put("eos_token_id", ByteTokenizer.EOS);
            generation.put("pad_token_id", ByteTokenizer.PAD);
            Files.writeString(directory.resolve("generation_config.json"), pretty(generation));
        } catch (IOException e) {
            throw new DataException(directory + ": cannot be written: " + e.getMessage(), e);
        }
    }

    private static ObjectNode tokenizer() {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("version", "1.0");
        json.putNull("truncation");
        json.putNull("padding");
        ArrayNode added = json.putArray("added_tokens");
        for (int i = 0; i < SPECIALS.length; i++) {
            added.add(addedToken(256 + i, SPECIALS[i]));
        }
        json.putNull("normalizer");
        json.set("pre_tokenizer", byteLevel());
        json.set("post_processor", bosBefore());
        json.set("decoder", byteLevel());
        ObjectNode model = json.putObject("model");
        model.put("type", "BPE");
        model.putNull("dropout");
        model.putNull("unk_token");
        model.putNull("continuing_subword_prefix");
        model.putNull("end_of_word_suffix");
        model.put("fuse_unk", false);
        model.put("byte_fallback", false);
        model.put("ignore_merges", false);
        ObjectNode vocab = model.putObject("vocab");
        for (int b = 0; b < 256; b++) {
            vocab.put(ByteLetters.letter(b), b);
        }
        model.putArray("merges");
        return json;
    }

    private static ObjectNode addedToken(int id, String content) {
        ObjectNode token = JsonNodeFactory.instance.objectNode();
        token.put("id", id);
        token.put("content", content);
        token.put("single_word", false);
        token.put("lstrip", false);
        token.put("rstrip", false);
        token.put("normalized", false);
        token.put("special", true);
        return token;
    }

    private static ObjectNode byteLevel() {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("type", "ByteLevel");
        json.put("add_prefix_space", false);
        json.put("trim_offsets", true);
        json.put("use_regex", false);
        return json;
    }

    /** Documents begin with BOS in training: other tools add it by themselves. */
    private static ObjectNode bosBefore() {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("type", "TemplateProcessing");
        ArrayNode single = json.putArray("single");
        single.addObject().putObject("SpecialToken").put("id", SPECIALS[0]).put("type_id", 0);
        single.addObject().putObject("Sequence").put("id", "A").put("type_id", 0);
        ArrayNode pair = single.deepCopy();
        pair.addObject().putObject("SpecialToken").put("id", SPECIALS[0]).put("type_id", 1);
        pair.addObject().putObject("Sequence").put("id", "B").put("type_id", 1);
        json.set("pair", pair);
        ObjectNode bos = json.putObject("special_tokens").putObject(SPECIALS[0]);
        bos.put("id", SPECIALS[0]);
        bos.putArray("ids").add(ByteTokenizer.BOS);
        bos.putArray("tokens").add(SPECIALS[0]);
        return json;
    }

    private static ObjectNode config() {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("tokenizer_class", "PreTrainedTokenizerFast");
        json.put("bos_token", SPECIALS[0]);
        json.put("eos_token", SPECIALS[1]);
        json.put("pad_token", SPECIALS[2]);
        json.put("unk_token", SPECIALS[3]);
        json.put("clean_up_tokenization_spaces", false);
        return json;
    }

    private static String pretty(JsonNode json) {
        return MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(json) + "\n";
    }

    /** Whether a {@code tokenizer.json} is this very tokenizer. */
    static boolean isOwn(JsonNode json) {
        // Pretty-printing or the order of keys may differ, what decides the ids may not.
        JsonNode own = tokenizer();
        boolean same = true;
        for (String part :
                new String[] {"added_tokens", "normalizer", "pre_tokenizer", "decoder"}) {
            same &= json.path(part).equals(own.path(part));
        }
        for (String part : new String[] {"type", "vocab", "merges"}) {
            same &= json.path("model").path(part).equals(own.path("model").path(part));
        }
        return same;
    }
}
