package org.ringworld.tokenizer;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Decodes tokens one at a time. The bytes of a character may come from several tokens: it is given
 * out when its last byte is there. All parts together are {@link Tokenizer#decode} of all tokens.
 * Where a text goes on, give it the tokens before first: what they say can be ignored.
 */
public final class TextDecoder {
    private final Tokenizer tokenizer;
    private final CharsetDecoder utf8 =
            StandardCharsets.UTF_8
                    .newDecoder()
                    .onMalformedInput(CodingErrorAction.REPLACE)
                    .onUnmappableCharacter(CodingErrorAction.REPLACE);
    private byte[] pending = new byte[0];
    private boolean atStart = true;

    TextDecoder(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    /** The text that this token completes; often one token's, sometimes empty. */
    public String next(int id) {
        byte[] bytes = tokenizer.bytes(id);
        if (atStart && bytes.length > 0) {
            atStart = false;
            if (tokenizer.addsSpace() && bytes[0] == ' ') {
                bytes = Arrays.copyOfRange(bytes, 1, bytes.length);
            }
        }
        return decode(bytes, false);
    }

    /** What is left at the end: empty, or U+FFFD for a character that was never completed. */
    public String finish() {
        String rest = decode(new byte[0], true);
        utf8.reset();
        return rest;
    }

    private String decode(byte[] more, boolean last) {
        ByteBuffer in = ByteBuffer.allocate(pending.length + more.length).put(pending).put(more);
        in.flip();
        CharBuffer out = CharBuffer.allocate(in.remaining() + 1);
        utf8.decode(in, out, last);
        if (last) {
            utf8.flush(out);
        }
        pending = new byte[in.remaining()];
        in.get(pending);
        return out.flip().toString();
    }
}
