package org.ringworld.tokenizer.chat.values;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.IntPredicate;
import org.ringworld.tokenizer.chat.JinjaBudget;
import org.ringworld.tokenizer.chat.JinjaException;
import org.ringworld.tokenizer.chat.values.JinjaArguments.Bound;
import org.ringworld.tokenizer.chat.values.JinjaArguments.Callable;

/** What Python's strings can do. */
final class JinjaStrings {
    /** What Unicode says are digits, though they stand in no decimal number. */
    private static final String DIGITS =
            "²³¹፩-፱᧚⁰⁴-⁹₀-₉①-⑨⑴-⑼⒈-⒐⓪⓵-⓽⓿❶-❾➀-➈➊-➒\\x{10a40}-\\x{10a43}"
                    + "\\x{10e60}-\\x{10e68}\\x{11052}-\\x{1105a}\\x{1f100}-\\x{1f10a}";

    /** Letters that Unicode says are numbers. */
    private static final String NUMERALS =
            "㐅㒃㠪㭍一七万三九二五亖亿什仟仨伍佰億兆兩八六十千卄卅卌叁参參叄四壱壹幺廾廿弌弍弎弐拾捌柒漆玖百肆萬貮貳贰阡陆陌陸零"
                    + "\\x{f96b}\\x{f973}\\x{f978}\\x{f9b2}\\x{f9d1}\\x{f9d3}\\x{f9fd}"
                    + "\\x{20001}\\x{20064}\\x{200e2}\\x{20121}\\x{2092a}\\x{20983}"
                    + "\\x{2098c}\\x{2099c}\\x{20aea}\\x{20afd}\\x{20b19}\\x{22390}"
                    + "\\x{22998}\\x{23b1b}\\x{2626d}\\x{2f890}";

    private JinjaStrings() {}

    /** One by its name, null where there is none of it. */
    static Callable method(String s, String name) {
        return switch (name) {
            case "upper" -> simple(() -> s.toUpperCase(Locale.ROOT));
            case "lower", "casefold" -> simple(() -> s.toLowerCase(Locale.ROOT));
            case "title" -> simple(() -> title(s));
            case "capitalize" -> simple(() -> capitalize(s));
            case "swapcase" -> simple(() -> swapCase(s));
            case "strip" -> a -> strip(s, a, true, true);
            case "lstrip" -> a -> strip(s, a, true, false);
            case "rstrip" -> a -> strip(s, a, false, true);
            case "split" -> a -> split(s, a, false);
            case "rsplit" -> a -> split(s, a, true);
            case "splitlines" -> a -> lines(s, a.take("keepends").flag(0, false));
            case "partition" -> a -> partition(s, a.take("sep").text(0), false);
            case "rpartition" -> a -> partition(s, a.take("sep").text(0), true);
            case "join" -> a -> join(s, a.take("iterable").need(0));
            case "replace" -> a -> replace(s, a.take("old", "new", "count"));
            case "removeprefix" -> a -> removed(s, a.take("prefix").text(0), true);
            case "removesuffix" -> a -> removed(s, a.take("suffix").text(0), false);
            case "startswith" -> a -> affixed(s, a.take("prefix", "start", "end"), true);
            case "endswith" -> a -> affixed(s, a.take("suffix", "start", "end"), false);
            case "find" -> a -> find(s, a, false, false);
            case "rfind" -> a -> find(s, a, true, false);
            case "index" -> a -> find(s, a, false, true);
            case "rindex" -> a -> find(s, a, true, true);
            case "count" -> a -> count(s, a.take("sub", "start", "end"));
            case "center" -> a -> padded(s, a, true, true);
            case "ljust" -> a -> padded(s, a, false, true);
            case "rjust" -> a -> padded(s, a, true, false);
            case "zfill" -> a -> zeros(s, a.take("width").number(0, 0));
            case "format" -> a -> JinjaBraces.fill(s, a);
            default -> predicate(s, name);
        };
    }

    private static Callable predicate(String s, String name) {
        return switch (name) {
            case "isdecimal" -> simple(() -> all(s, Character::isDigit));
            case "isdigit" -> simple(() -> s.matches("[\\p{Nd}" + DIGITS + "]+"));
            case "isnumeric" -> simple(() -> s.matches("[\\p{N}" + NUMERALS + "]+"));
            case "isalpha" -> simple(() -> all(s, Character::isLetter));
            case "isalnum" -> simple(() -> all(s, Character::isLetterOrDigit));
            case "isspace" -> simple(() -> all(s, JinjaText::isSpace));
            case "isascii" -> simple(() -> s.chars().allMatch(c -> c < 128));
            case "isprintable" -> simple(() -> s.codePoints().allMatch(JinjaText::isPrintable));
            case "isupper" -> simple(() -> cased(s, true));
            case "islower" -> simple(() -> cased(s, false));
            case "istitle" -> simple(() -> s.equals(title(s)) && hasCase(s));
            case "isidentifier" -> simple(() -> s.matches("(?U)[\\p{L}_]\\w*"));
            default -> null;
        };
    }

    private static Callable simple(java.util.function.Supplier<Object> made) {
        return arguments -> {
            arguments.take();
            return made.get();
        };
    }

    private static boolean all(String s, IntPredicate what) {
        return !s.isEmpty() && s.codePoints().allMatch(what);
    }

    private static boolean hasCase(String s) {
        return s.codePoints().anyMatch(JinjaStrings::isCased);
    }

    private static boolean isCased(int c) {
        return Character.isUpperCase(c) || Character.isLowerCase(c) || Character.isTitleCase(c);
    }

    static boolean cased(String s, boolean upper) {
        IntPredicate other =
                upper
                        ? c -> Character.isLowerCase(c) || Character.isTitleCase(c)
                        : c -> Character.isUpperCase(c) || Character.isTitleCase(c);
        return hasCase(s) && s.codePoints().noneMatch(other);
    }

    static String capitalize(String s) {
        if (s.isEmpty()) {
            return s;
        }
        int rest = s.offsetByCodePoints(0, 1);
        return Character.toString(Character.toTitleCase(s.codePointAt(0)))
                + s.substring(rest).toLowerCase(Locale.ROOT);
    }

    private static String title(String s) {
        StringBuilder out = new StringBuilder();
        boolean[] inWord = {false};
        s.codePoints()
                .forEach(
                        c -> {
                            out.appendCodePoint(
                                    inWord[0]
                                            ? Character.toLowerCase(c)
                                            : Character.toTitleCase(c));
                            inWord[0] = isCased(c);
                        });
        return out.toString();
    }

    private static String swapCase(String s) {
        StringBuilder out = new StringBuilder();
        for (String c : JinjaText.characters(s)) {
            out.append(
                    Character.isUpperCase(c.codePointAt(0))
                            ? c.toLowerCase(Locale.ROOT)
                            : c.toUpperCase(Locale.ROOT));
        }
        return out.toString();
    }

    private static String strip(String s, JinjaArguments arguments, boolean left, boolean right) {
        return JinjaText.strip(s, arguments.take("chars").text(0, null), left, right);
    }

    private static List<Object> split(String s, JinjaArguments arguments, boolean fromRight) {
        Bound bound = arguments.take("sep", "maxsplit");
        String separator = bound.text(0, null);
        int most = bound.number(1, -1);
        if (separator != null && separator.isEmpty()) {
            throw JinjaException.of("split needs something to split at");
        }
        List<Object> parts = new ArrayList<>();
        String rest = separator == null ? JinjaText.strip(s, null, !fromRight, fromRight) : s;
        while (most < 0 || parts.size() < most) {
            int[] cut = cut(rest, separator, fromRight);
            if (cut == null) {
                break;
            }
            JinjaBudget.spend(8);
            parts.add(fromRight ? rest.substring(cut[1]) : rest.substring(0, cut[0]));
            rest = fromRight ? rest.substring(0, cut[0]) : rest.substring(cut[1]);
        }
        if (separator == null && (most < 0 || parts.size() < most)) {
            rest = JinjaText.strip(rest, null, true, true);
        }
        if (separator != null || !rest.isEmpty()) {
            parts.add(rest);
        }
        return fromRight ? parts.reversed() : parts;
    }

    /** Where the next separator begins and ends; null where there is none. */
    private static int[] cut(String s, String separator, boolean fromRight) {
        if (separator != null) {
            int at = fromRight ? s.lastIndexOf(separator) : s.indexOf(separator);
            return at < 0 ? null : new int[] {at, at + separator.length()};
        }
        int from = fromRight ? s.length() - 1 : 0;
        int step = fromRight ? -1 : 1;
        while (from >= 0 && from < s.length() && !JinjaText.isSpace(s.charAt(from))) {
            from += step;
        }
        int to = from;
        while (to >= 0 && to < s.length() && JinjaText.isSpace(s.charAt(to))) {
            to += step;
        }
        if (from == to || to < 0 || to >= s.length()) {
            return null;
        }
        return fromRight ? new int[] {to + 1, from + 1} : new int[] {from, to};
    }

    static List<Object> lines(String s, boolean keepEnds) {
        List<Object> lines = new ArrayList<>();
        int from = 0;
        for (int at = 0; at < s.length(); at++) {
            if (JinjaText.endsLine(s.charAt(at))) {
                int end = at;
                if (s.startsWith("\r\n", at)) {
                    at++;
                }
                lines.add(s.substring(from, keepEnds ? at + 1 : end));
                from = at + 1;
            }
        }
        if (from < s.length()) {
            lines.add(s.substring(from));
        }
        return lines;
    }

    private static Object partition(String s, String separator, boolean fromRight) {
        if (separator.isEmpty()) {
            throw JinjaException.of("partition needs something to split at");
        }
        int at = fromRight ? s.lastIndexOf(separator) : s.indexOf(separator);
        if (at < 0) {
            return new JinjaValues.Tuple(fromRight ? List.of("", "", s) : List.of(s, "", ""));
        }
        return new JinjaValues.Tuple(
                List.of(s.substring(0, at), separator, s.substring(at + separator.length())));
    }

    private static String join(String separator, Object values) {
        List<String> texts = new ArrayList<>();
        for (Object value : JinjaValues.items(values)) {
            if (!(value instanceof String text)) {
                throw JinjaException.of("join joins str, not %s", JinjaValues.type(value));
            }
            JinjaBudget.spend(separator.length() + text.length());
            texts.add(text);
        }
        return String.join(separator, texts);
    }

    private static String replace(String s, Bound bound) {
        return replace(s, bound.text(0), bound.text(1), bound.number(2, -1));
    }

    /** At most so many from the left, all where that is below 0. */
    static String replace(String s, String old, String with, int most) {
        StringBuilder out = new StringBuilder();
        int from = 0;
        int at = s.indexOf(old);
        for (int n = 0; at >= 0 && n != most; n++) {
            JinjaBudget.spend(8 + with.length());
            out.append(s, from, at).append(with);
            from = at + old.length();
            if (!old.isEmpty()) {
                at = s.indexOf(old, from);
            } else {
                at = at < s.length() ? s.offsetByCodePoints(at, 1) : -1;
            }
        }
        return out.append(s, from, s.length()).toString();
    }

    private static String removed(String s, String affix, boolean prefix) {
        if (prefix ? !s.startsWith(affix) : !s.endsWith(affix)) {
            return s;
        }
        return prefix ? s.substring(affix.length()) : s.substring(0, s.length() - affix.length());
    }

    /** The part between two places of Python's, in Java's; null where it is none. */
    private static int[] window(String s, Bound bound) {
        int length = (int) JinjaValues.length(s);
        int from = place(bound.number(1, 0), length);
        int to = Math.min(place(bound.number(2, length), length), length);
        return from > to
                ? null
                : new int[] {s.offsetByCodePoints(0, from), s.offsetByCodePoints(0, to)};
    }

    private static int place(int given, int length) {
        return given < 0 ? Math.max(0, given + length) : given;
    }

    private static boolean affixed(String s, Bound bound, boolean prefix) {
        int[] window = window(s, bound);
        if (window == null) {
            return false;
        }
        String part = s.substring(window[0], window[1]);
        List<?> affixes =
                bound.need(0) instanceof JinjaValues.Tuple several
                        ? several
                        : List.of(bound.text(0));
        return affixes.stream()
                .anyMatch(
                        affix ->
                                affix instanceof String text
                                        && (prefix ? part.startsWith(text) : part.endsWith(text)));
    }

    private static long find(
            String s, JinjaArguments arguments, boolean last, boolean mustBeThere) {
        Bound bound = arguments.take("sub", "start", "end");
        String wanted = bound.text(0);
        int[] window = window(s, bound);
        int at = -1;
        if (window != null) {
            String part = s.substring(window[0], window[1]);
            at = last ? part.lastIndexOf(wanted) : part.indexOf(wanted);
        }
        if (at < 0 && mustBeThere) {
            throw JinjaException.of("%s is not in the text", wanted);
        }
        return at < 0 ? -1 : s.codePointCount(0, window[0] + at);
    }

    private static long count(String s, Bound bound) {
        String wanted = bound.text(0);
        int[] window = window(s, bound);
        if (window == null) {
            return 0;
        }
        String part = s.substring(window[0], window[1]);
        if (wanted.isEmpty()) {
            return JinjaValues.length(part) + 1;
        }
        long count = 0;
        for (int at = part.indexOf(wanted);
                at >= 0;
                at = part.indexOf(wanted, at + wanted.length())) {
            count++;
        }
        return count;
    }

    private static String padded(String s, JinjaArguments arguments, boolean left, boolean right) {
        Bound bound = arguments.take("width", "fillchar");
        return padded(s, JinjaValues.index(bound.need(0)), bound.text(1, " "), left, right);
    }

    static String padded(String s, int width, String fill, boolean left, boolean right) {
        int missing = Math.max(0, width - (int) JinjaValues.length(s));
        if (JinjaValues.length(fill) != 1) {
            throw JinjaException.of("a text is filled with one character");
        }
        JinjaBudget.spend(missing);
        // As CPython rounds.
        int before = left && right ? missing / 2 + (missing & width & 1) : left ? missing : 0;
        return fill.repeat(before) + s + fill.repeat(missing - before);
    }

    private static String zeros(String s, int width) {
        boolean signed = s.startsWith("-") || s.startsWith("+");
        int missing = Math.max(0, width - (int) JinjaValues.length(s));
        JinjaBudget.spend(missing);
        return (signed ? s.substring(0, 1) : "")
                + "0".repeat(missing)
                + s.substring(signed ? 1 : 0);
    }
}
