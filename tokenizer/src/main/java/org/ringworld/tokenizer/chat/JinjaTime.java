package org.ringworld.tokenizer.chat;

import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.time.temporal.IsoFields;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Python's {@code strftime} in C's locale, with the padding that glibc knows. */
final class JinjaTime {
    private static final Pattern PART = Pattern.compile("%([-_0^]?)(.)", Pattern.DOTALL);

    private JinjaTime() {}

    static String format(LocalDateTime time, String format) {
        return PART.matcher(format)
                .replaceAll(
                        found ->
                                Matcher.quoteReplacement(
                                        flagged(found.group(1), part(time, found.group(2)))));
    }

    private static String flagged(String flag, String part) {
        boolean number = part.matches(" *[0-9]+");
        return switch (flag) {
            case "-" -> number ? part.replaceFirst("^[ 0]+(?=.)", "") : part;
            case "_" -> number ? part.replaceAll("\\G0(?=.)", " ") : part;
            case "0" -> number ? part.replace(' ', '0') : part;
            case "^" -> part.toUpperCase(Locale.ROOT);
            default -> part;
        };
    }

    private static String part(LocalDateTime time, String code) {
        int weekday = time.getDayOfWeek().getValue();
        return switch (code) {
            case "%" -> "%";
            case "n" -> "\n";
            case "t" -> "\t";
            case "z", "Z" -> "";
            case "u" -> "" + weekday;
            case "w" -> "" + weekday % 7;
            case "U" -> "%02d".formatted((time.getDayOfYear() + 6 - weekday % 7) / 7);
            case "W" -> "%02d".formatted((time.getDayOfYear() + 7 - weekday) / 7);
            case "V" -> "%02d".formatted(time.get(IsoFields.WEEK_OF_WEEK_BASED_YEAR));
            case "G" -> "" + time.get(IsoFields.WEEK_BASED_YEAR);
            case "g" -> "%02d".formatted(time.get(IsoFields.WEEK_BASED_YEAR) % 100);
            case "C" -> "%02d".formatted(time.getYear() / 100);
            case "P" -> time.getHour() < 12 ? "am" : "pm";
            case "s" -> "" + time.atZone(ZoneId.systemDefault()).toEpochSecond();
            default -> time.format(DateTimeFormatter.ofPattern(pattern(code), Locale.US));
        };
    }

    private static String pattern(String code) {
        return switch (code) {
            case "d" -> "dd";
            case "e" -> "ppd";
            case "m" -> "MM";
            case "b", "h" -> "MMM";
            case "B" -> "MMMM";
            case "y" -> "yy";
            case "Y" -> "yyyy";
            case "a" -> "EEE";
            case "A" -> "EEEE";
            case "j" -> "DDD";
            case "H" -> "HH";
            case "k" -> "ppH";
            case "I" -> "hh";
            case "l" -> "pph";
            case "M" -> "mm";
            case "S" -> "ss";
            case "p" -> "a";
            case "D", "x" -> "MM/dd/yy";
            case "F" -> "yyyy-MM-dd";
            case "R" -> "HH:mm";
            case "T", "X" -> "HH:mm:ss";
            case "r" -> "hh:mm:ss a";
            case "f" -> "SSSSSS";
            case "c" -> "EEE MMM ppd HH:mm:ss yyyy";
            default -> throw JinjaException.of("the part %%%s of a time is not known", code);
        };
    }
}
