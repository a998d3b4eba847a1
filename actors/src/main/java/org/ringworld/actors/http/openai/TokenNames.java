package org.ringworld.actors.http.openai;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.Utf8;

/** What single tokens are called in answers. */
final class TokenNames {
    private final Tokenizer tokenizer;
    private final Map<Integer, String> specials = new HashMap<>();

    TokenNames(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
        tokenizer.specialTokens().forEach((name, id) -> specials.put(id, name));
    }

    /**
     * A token's text, a special one's name; as in OpenAI's API {@code bytes:\xe2\x96} where its
     * bytes are no text by themselves, so that what is no text does not all look the same.
     */
    String name(int id) {
        if (specials.containsKey(id)) {
            return specials.get(id);
        }
        if (id >= tokenizer.vocabSize()) {
            return "<" + id + ">";
        }
        byte[] bytes = tokenizer.bytes(id);
        if (Utf8.firstFault(bytes) < 0) {
            return new String(bytes, StandardCharsets.UTF_8);
        }
        StringBuilder name = new StringBuilder("bytes:");
        for (byte b : bytes) {
            name.append("\\x%02x".formatted(b & 0xff));
        }
        return name.toString();
    }

    /** The bytes that it adds to a text; none of a special one. */
    byte[] bytes(int id) {
        return id >= tokenizer.vocabSize() ? new byte[0] : tokenizer.bytes(id);
    }
}
