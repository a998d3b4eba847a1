package org.ringworld.tokenizer;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetEncoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** Strings and UTF-8, without Java's silent question marks. */
public final class Utf8 {
    private static final byte[] REPLACEMENT = "\ufffd".getBytes(StandardCharsets.UTF_8);

    private Utf8() {}

    /** The bytes of a text; a surrogate without its partner becomes U+FFFD. */
    public static byte[] bytes(String text) {
        try {
            CharsetEncoder encoder =
                    StandardCharsets.UTF_8
                            .newEncoder()
                            .onMalformedInput(CodingErrorAction.REPLACE)
                            .replaceWith(REPLACEMENT);
            ByteBuffer bytes = encoder.encode(CharBuffer.wrap(text));
            byte[] array = new byte[bytes.remaining()];
            bytes.get(array);
            return array;
        } catch (CharacterCodingException e) {
            throw new IllegalStateException("every malformed character is replaced", e);
        }
    }

    /** The same text, with U+FFFD for each surrogate without its partner. */
    public static String wellFormed(String text) {
        for (int at = 0; at < text.length(); at++) {
            if (Character.isSurrogate(text.charAt(at))) {
                return new String(bytes(text), StandardCharsets.UTF_8);
            }
        }
        return text;
    }

    /**
     * The text of a whole file, a byte order mark skipped.
     *
     * @throws DataException where it cannot be read or is not UTF-8, with the offset of the fault
     */
    public static String read(Path file) throws DataException {
        byte[] bytes;
        try {
            if (Files.size(file) > Integer.MAX_VALUE - 8) {
                throw new DataException(
                        file + ": is over 2 GiB, too long for one document: split it");
            }
            bytes = Files.readAllBytes(file);
        } catch (DataException e) {
            throw e;
        } catch (NoSuchFileException e) {
            throw new DataException(file + ": there is no such file", e);
        } catch (IOException e) {
            throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
        }
        return text(bytes, file);
    }

    /**
     * The text of a file's bytes, a byte order mark skipped.
     *
     * @throws DataException where they are not UTF-8, with the offset of the fault
     */
    public static String text(byte[] bytes, Path file) throws DataException {
        int fault = firstFault(bytes);
        if (fault >= 0) {
            throw new DataException(
                    "%s: is not UTF-8 at byte %d: convert it to UTF-8".formatted(file, fault));
        }
        String text = new String(bytes, StandardCharsets.UTF_8);
        return text.startsWith("\ufeff") ? text.substring(1) : text;
    }

    /** Offset of the first byte that is not UTF-8, or −1. */
    public static int firstFault(byte[] bytes) {
        ByteBuffer in = ByteBuffer.wrap(bytes);
        CharBuffer out = CharBuffer.allocate(8192);
        var decoder = StandardCharsets.UTF_8.newDecoder();
        while (true) {
            var result = decoder.decode(in, out, true);
            if (result.isError()) {
                return in.position();
            }
            if (result.isUnderflow()) {
                return -1;
            }
            out.clear();
        }
    }
}
