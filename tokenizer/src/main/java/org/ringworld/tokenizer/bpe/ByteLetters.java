package org.ringworld.tokenizer.bpe;

import java.io.ByteArrayOutputStream;
import java.util.HashMap;
import java.util.Map;
import org.ringworld.tokenizer.Utf8;

/**
 * The letters by which byte-level BPE writes bytes (GPT-2): a byte itself where it is printable,
 * else the next free letter from U+0100 on.
 */
public final class ByteLetters {
    private static final Map<Integer, Integer> BYTES = new HashMap<>();

    static {
        for (int b = 0; b < 256; b++) {
            BYTES.put(letter(b).codePointAt(0), b);
        }
    }

    private ByteLetters() {}

    public static String letter(int b) {
        if (isPrintable(b)) {
            return Character.toString(b);
        }
        int letter = 256;
        for (int before = 0; before < b; before++) {
            letter += isPrintable(before) ? 0 : 1;
        }
        return Character.toString(letter);
    }

    private static boolean isPrintable(int b) {
        return b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae;
    }

    /** The bytes of a piece; one that is not made of these letters alone is plain text. */
    static byte[] bytes(String piece) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (int letter : piece.codePoints().toArray()) {
            Integer b = BYTES.get(letter);
            if (b == null) {
                return Utf8.bytes(piece);
            }
            bytes.write(b);
        }
        return bytes.toByteArray();
    }
}
