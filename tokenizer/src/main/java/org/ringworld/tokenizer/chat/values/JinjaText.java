package org.ringworld.tokenizer.chat.values;

import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.ringworld.tokenizer.chat.JinjaBudget;
import org.ringworld.tokenizer.chat.JinjaException;

/** Text as Python sees it: code points, its own idea of space, its notation of values. */
public final class JinjaText {
    private JinjaText() {}

    static List<String> characters(String text) {
        JinjaBudget.spend(8L * text.length());
        return text.codePoints().mapToObj(Character::toString).toList();
    }

    /** By code points, both within the text. */
    static String slice(String text, int from, int to) {
        int begin = text.offsetByCodePoints(0, from);
        return text.substring(begin, text.offsetByCodePoints(begin, to - from));
    }

    static boolean isSpace(int c) {
        return c >= 9 && c <= 13
                || c >= 0x1c && c <= 0x20
                || c == 0x85
                || c == 0xa0
                || Character.isSpaceChar(c);
    }

    /** Without the characters given, or space where they are null, at its ends. */
    public static String strip(String text, String characters, boolean left, boolean right) {
        int from = 0;
        int to = text.length();
        while (left && from < to && strips(text.codePointAt(from), characters)) {
            from += Character.charCount(text.codePointAt(from));
        }
        while (right && to > from && strips(text.codePointBefore(to), characters)) {
            to -= Character.charCount(text.codePointBefore(to));
        }
        return text.substring(from, to);
    }

    private static boolean strips(int c, String characters) {
        return characters == null ? isSpace(c) : characters.indexOf(c) >= 0;
    }

    /** Whether a line ends with this character, as splitlines sees it. */
    static boolean endsLine(char c) {
        return c >= 10 && c <= 13
                || c >= 0x1c && c <= 0x1e
                || c == 0x85
                || c == 0x2028
                || c == 0x2029;
    }

    public static Long integer(String written) {
        String digits = written.replace("_", "");
        try {
            if (digits.length() > 2 && Character.isLetter(digits.charAt(1))) {
                int base =
                        switch (Character.toLowerCase(digits.charAt(1))) {
                            case 'x' -> 16;
                            case 'o' -> 8;
                            default -> 2;
                        };
                return Long.parseLong(digits, 2, digits.length(), base);
            }
            return Long.parseLong(digits);
        } catch (NumberFormatException e) {
            throw JinjaException.of("the number %s is beyond 64 bits", written);
        }
    }

    /** The text that a literal with its quotes stands for; unknown escapes stay as written. */
    public static String literal(String quoted) {
        StringBuilder out = new StringBuilder();
        int end = quoted.length() - 1;
        for (int at = 1; at < end; ) {
            char c = quoted.charAt(at++);
            if (c != '\\') {
                out.append(c);
                continue;
            }
            char escaped = quoted.charAt(at++);
            int simple = "abfnrtv\\'\"".indexOf(escaped);
            int digits =
                    switch (escaped) {
                        case 'x' -> 2;
                        case 'u' -> 4;
                        case 'U' -> 8;
                        default -> 0;
                    };
            if (simple >= 0) {
                out.append("\u0007\b\f\n\r\t\u000b\\'\"".charAt(simple));
            } else if (digits > 0) {
                out.appendCodePoint(code(quoted, at, Math.min(at + digits, end), digits));
                at += digits;
            } else if (escaped >= '0' && escaped <= '7') {
                int from = at - 1;
                while (at < end && at < from + 3 && Character.digit(quoted.charAt(at), 8) >= 0) {
                    at++;
                }
                out.append((char) Integer.parseInt(quoted, from, at, 8));
            } else if (escaped != '\n') {
                out.append('\\').append(escaped);
            }
        }
        return out.toString();
    }

    private static int code(String text, int from, int to, int digits) {
        String hex = text.substring(from, to);
        if (!hex.matches("[0-9a-fA-F]{" + digits + "}")
                || Long.parseLong(hex, 16) > Character.MAX_CODE_POINT) {
            throw JinjaException.of("the escape \\%s names no character", hex);
        }
        return Integer.parseInt(hex, 16);
    }

    /** Python's notation of a float: the shortest that reads back the same. */
    static String decimal(double value) {
        if (Double.isNaN(value) || Double.isInfinite(value)) {
            return Double.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
        }
        if (value == 0) {
            return 1 / value < 0 ? "-0.0" : "0.0";
        }
        BigDecimal shortest = new BigDecimal(Double.toString(value)).stripTrailingZeros();
        int exponent = shortest.precision() - shortest.scale() - 1;
        if (exponent >= -4 && exponent < 16) {
            String plain = shortest.toPlainString();
            return plain.indexOf('.') < 0 ? plain + ".0" : plain;
        }
        String digits = shortest.unscaledValue().abs().toString();
        return (value < 0 ? "-" : "")
                + digits.charAt(0)
                + (digits.length() > 1 ? "." + digits.substring(1) : "")
                + "e%s%02d".formatted(exponent < 0 ? "-" : "+", Math.abs(exponent));
    }

    /** Python's notation of a string. */
    static void quote(StringBuilder out, String text) {
        JinjaBudget.spend(text.length());
        char quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
        out.append(quote);
        text.codePoints().forEach(c -> quote(out, c, quote));
        out.append(quote);
    }

    private static void quote(StringBuilder out, int c, char quote) {
        int simple = "\n\r\t\\".indexOf(c);
        if (simple >= 0) {
            out.append('\\').append("nrt\\".charAt(simple));
        } else if (c == quote) {
            out.append('\\').appendCodePoint(c);
        } else if (isPrintable(c)) {
            out.appendCodePoint(c);
        } else {
            out.append((c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x").formatted(c));
        }
    }

    static String urlQuoted(String text, boolean query) {
        JinjaBudget.spend(4L * text.length());
        StringBuilder out = new StringBuilder();
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            char c = (char) (b & 0xff);
            if (c < 128 && Character.isLetterOrDigit(c)
                    || "_.-~".indexOf(c) >= 0
                    || c == '/' && !query) {
                out.append(c);
            } else {
                out.append(c == ' ' && query ? "+" : "%%%02X".formatted((int) c));
            }
        }
        return out.toString();
    }

    static boolean isPrintable(int c) {
        return switch (Character.getType(c)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.PRIVATE_USE,
                    Character.UNASSIGNED,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR ->
                    false;
            case Character.SPACE_SEPARATOR -> c == ' ';
            default -> true;
        };
    }
}
