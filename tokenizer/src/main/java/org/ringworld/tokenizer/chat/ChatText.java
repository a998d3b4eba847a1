package org.ringworld.tokenizer.chat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.ringworld.tokenizer.Tokenizer;

/**
 * The text that a template makes, and its tokens. A special token that a message says is hidden
 * from the template and comes back as text; so is a tag, which comes back as itself.
 */
public final class ChatText {
    // Characters that Unicode keeps free for uses such as this; hidden themselves where they come.
    private static final String HIDE = "\ufdd0";
    private static final String END = "\ufdd1";
    static final char OPEN = '\ufdd2';
    static final char CLOSE = '\ufdd3';

    /** The name that is true for a template where marks are asked for. */
    static final String MARKS = HIDE + "marks";

    private static final Pattern HIDDEN = Pattern.compile(HIDE + "([0-9]+)" + END);

    private final Tokenizer tokenizer;
    private final Map<String, Integer> specials;
    private final List<String> tags;
    private final List<String> literals;
    private final Pattern written;
    private final Pattern hidden;

    /** Characters [from, to) of a rendered text. */
    record Span(int from, int to) {}

    /**
     * Tokens that come one after the other.
     *
     * @param learned whether they are what the assistant says
     * @param tag that stands there instead of tokens; null: none does
     */
    public record Part(int[] ids, boolean learned, String tag) {}

    ChatText(Tokenizer tokenizer, List<String> tags) {
        this.tokenizer = tokenizer;
        this.tags = tags;
        specials = tokenizer.specialTokens();
        List<String> special = new ArrayList<>(specials.keySet());
        special.sort(Comparator.comparingInt(String::length).reversed());
        written = pattern(special);
        // Tags first: a tokenizer may know them as special tokens.
        literals = new ArrayList<>(tags);
        literals.addAll(special);
        literals.addAll(List.of(HIDE, String.valueOf(OPEN), String.valueOf(CLOSE)));
        hidden = pattern(literals);
    }

    /** Matches any of the texts; nothing where there are none. */
    private static Pattern pattern(List<String> texts) {
        return Pattern.compile(
                texts.isEmpty()
                        ? "(?!)"
                        : texts.stream().map(Pattern::quote).collect(Collectors.joining("|")));
    }

    /** What templates call bos_token and eos_token. */
    Map<String, Object> tokenNames() {
        Map<String, Object> names = new HashMap<>();
        // Where none is known to begin a text, the one that ends it stands for it in packing.
        boolean begins = tokenizer.bos() != tokenizer.eos();
        names.put("bos_token", begins ? text(tokenizer.bos()) : "");
        names.put("eos_token", text(tokenizer.eos()));
        return names;
    }

    private String text(int id) {
        return specials.entrySet().stream()
                .filter(special -> special.getValue() == id)
                .map(Map.Entry::getKey)
                .findFirst()
                .orElse("");
    }

    /** In all texts of a value. */
    Object hide(Object value) {
        return switch (value) {
            case String text ->
                    hidden.matcher(text).replaceAll(m -> HIDE + literals.indexOf(m.group()) + END);
            case List<?> list -> {
                List<Object> safe = new ArrayList<>();
                list.forEach(one -> safe.add(hide(one)));
                yield safe;
            }
            case Map<?, ?> map -> {
                Map<Object, Object> safe = new LinkedHashMap<>();
                map.forEach((key, one) -> safe.put(hide(key), hide(one)));
                yield safe;
            }
            case null, default -> value;
        };
    }

    /**
     * The tokens of a rendered text, in order.
     *
     * @param learned what of it is, in order
     */
    List<Part> parts(String text, List<Span> learned) {
        List<Part> parts = new ArrayList<>();
        int from = 0;
        for (MatchResult special : written.matcher(text).results().toList()) {
            addText(parts, text, from, special.start(), learned);
            int[] id = {specials.get(special.group())};
            parts.add(new Part(id, isLearned(special.start(), learned), null));
            from = special.end();
        }
        addText(parts, text, from, text.length(), learned);
        return parts;
    }

    private static boolean isLearned(int at, List<Span> learned) {
        return learned.stream().anyMatch(span -> span.from <= at && at < span.to);
    }

    /** Characters [from, to) hold no special token; they may hold tags. */
    private void addText(List<Part> parts, String text, int from, int to, List<Span> learned) {
        Matcher found = HIDDEN.matcher(text).region(from, to);
        int start = from;
        while (found.find()) {
            int literal = Integer.parseInt(found.group(1));
            if (literal < tags.size()) {
                addTokens(parts, text, start, endBefore(text, start, found.start()), learned);
                boolean isLearned = isLearned(found.start(), learned);
                parts.add(new Part(new int[0], isLearned, tags.get(literal)));
                start = found.end();
            }
        }
        addTokens(parts, text, start, to, learned);
    }

    /** Where a text before a tag ends: what stands for the tag may begin with its space. */
    private int endBefore(String text, int from, int tag) {
        boolean isDouble = tokenizer.addsSpace() && tag > from && text.charAt(tag - 1) == ' ';
        return isDouble ? tag - 1 : tag;
    }

    /**
     * Encoded at once, as when a model is asked, and cut where what is learned begins and ends. A
     * token that holds characters of both sides belongs to the later one: it is the first that the
     * text before does not have.
     */
    private void addTokens(List<Part> parts, String text, int from, int to, List<Span> learned) {
        if (from == to) {
            return;
        }
        int[] ids = tokenizer.encode(show(text.substring(from, to)));
        int at = from;
        int done = 0;
        for (Span span : learned) {
            for (int cut : new int[] {span.from, span.to}) {
                if (cut > at && cut < to) {
                    int[] before = tokenizer.encode(show(text.substring(from, cut)));
                    int same = Arrays.mismatch(ids, before);
                    int end = Math.max(done, same < 0 ? ids.length : same);
                    parts.add(part(ids, done, end, isLearned(at, learned)));
                    done = end;
                    at = cut;
                }
            }
        }
        parts.add(part(ids, done, ids.length, isLearned(at, learned)));
    }

    private static Part part(int[] ids, int from, int to, boolean learned) {
        return new Part(Arrays.copyOfRange(ids, from, to), learned, null);
    }

    /** The text with what was hidden. */
    private String show(String text) {
        return HIDDEN.matcher(text)
                .replaceAll(
                        m -> Matcher.quoteReplacement(literals.get(Integer.parseInt(m.group(1)))));
    }
}
