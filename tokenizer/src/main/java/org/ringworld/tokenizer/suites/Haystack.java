package org.ringworld.tokenizer.suites;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.text.BreakIterator;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import java.util.zip.CRC32C;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.RowRandom;
import org.ringworld.tokenizer.sources.TextFiles;
import org.ringworld.tokenizer.tasks.Prose;

/**
 * What things are hidden in: sentences of the user's texts, in order from a random one on (after
 * the last comes the first), or made-up prose where there are none.
 */
public final class Haystack {
    private static final int MOST_WORDS = 1 << 16;

    /** After these a sentence goes on. */
    private static final Pattern ABBREVIATION =
            Pattern.compile(
                    "(?s)(.*\\W)?(Mr|Mrs|Ms|Dr|St|Prof|Rev|Capt|Col|Gen|No|vol|[A-Z])\\. ?");

    private static final Pattern LETTERS = Pattern.compile("[^\\p{L}]+");

    private final List<String> sentences;
    private final List<String> words;

    private Haystack(List<String> sentences, List<String> words) {
        this.sentences = sentences;
        this.words = words;
    }

    /** Made-up sentences, which no task of training shows. */
    public static Haystack prose() {
        return new Haystack(List.of(), List.of());
    }

    /**
     * Texts in any form that documents are read from; of tables and JSON, their field {@code text}.
     *
     * @throws DataException where they cannot be read or hold no text
     */
    public static Haystack of(Path texts) throws DataException {
        List<String> sentences = new ArrayList<>();
        new TextFiles(
                        example -> {
                            if (example.fault() == null) {
                                cut(example.fields().path("text").asString(""), sentences);
                            }
                        })
                .read(texts);
        if (sentences.isEmpty()) {
            throw new DataException(texts + ": holds no text to hide something in");
        }
        return new Haystack(sentences, words(sentences));
    }

    private static void cut(String text, List<String> into) {
        String plain = text.replaceAll("\\s+", " ").strip();
        BreakIterator borders = BreakIterator.getSentenceInstance(Locale.ROOT);
        borders.setText(plain);
        int start = borders.first();
        for (int end = borders.next(); end != BreakIterator.DONE; end = borders.next()) {
            String sentence = plain.substring(start, end);
            boolean goesOn = end < plain.length() && ABBREVIATION.matcher(sentence).matches();
            if (!goesOn) {
                into.add(sentence.strip());
                start = end;
            }
        }
    }

    private static List<String> words(List<String> sentences) {
        Set<String> words = new LinkedHashSet<>();
        for (String sentence : sentences) {
            Arrays.stream(LETTERS.split(sentence))
                    .filter(w -> w.length() > 3 && w.length() < 13)
                    .forEach(w -> words.add(w.toLowerCase(Locale.ROOT)));
            if (words.size() >= MOST_WORDS) {
                break;
            }
        }
        return List.copyOf(words);
    }

    /** Of all that decides what it gives. */
    public long checksum() {
        CRC32C crc = new CRC32C();
        sentences.forEach(s -> crc.update(s.getBytes(StandardCharsets.UTF_8)));
        return crc.getValue();
    }

    /** Different words: those of the texts, then made-up ones. */
    List<String> words(RowRandom random, int count) {
        List<String> drawn = Words.shuffled(words, random);
        if (drawn.size() > count) {
            return drawn.subList(0, count);
        }
        Set<String> all = new LinkedHashSet<>(drawn);
        while (all.size() < count) {
            all.add(Words.madeUp(random));
        }
        return List.copyOf(all);
    }

    /** Sentences of so many characters, with a space after each; the first is the end of one. */
    List<String> sentences(RowRandom random, int chars) {
        return sentences(random, chars, _ -> true);
    }

    /** Likewise, leaving out what is not to be there. */
    List<String> sentences(RowRandom random, int chars, Predicate<String> keep) {
        if (sentences.isEmpty()) {
            return fill(chars, () -> Prose.HELD_OUT.sentence(random).strip());
        }
        int[] at = {random.below(sentences.size())};
        return fill(
                chars,
                () -> {
                    // What leaves out all sentences is given them as they are.
                    for (int passed = 0; passed < sentences.size(); passed++) {
                        String sentence = sentences.get(at[0]++ % sentences.size());
                        if (keep.test(sentence)) {
                            return sentence;
                        }
                    }
                    return sentences.get(at[0]++ % sentences.size());
                });
    }

    /** Sentences of so many characters, with a space after each; the first is the end of one. */
    static List<String> fill(int chars, Supplier<String> next) {
        List<String> filled = new ArrayList<>();
        long total = 0;
        while (total < chars) {
            String sentence = next.get();
            filled.add(sentence);
            total += sentence.length() + 1;
        }
        int first = 0;
        int over = (int) (total - chars);
        while (first < filled.size() && over > filled.get(first).length()) {
            over -= filled.get(first++).length() + 1;
        }
        if (over > 0 && first < filled.size()) {
            int word = filled.get(first).indexOf(' ', over - 1) + 1;
            if (word > 0) {
                filled.set(first, filled.get(first).substring(word));
            } else {
                first++;
            }
        }
        return filled.subList(Math.min(first, filled.size()), filled.size());
    }

    /** Hides needles, in their order, at random ends of sentences. */
    static <T> List<T> hide(List<T> needles, List<T> sentences, RowRandom random) {
        int[] ends = new int[needles.size()];
        Arrays.setAll(ends, _ -> random.below(sentences.size() + 1));
        Arrays.sort(ends);
        List<T> all = new ArrayList<>(sentences.size() + needles.size());
        int next = 0;
        for (int i = 0; i <= sentences.size(); i++) {
            while (next < ends.length && ends[next] == i) {
                all.add(needles.get(next++));
            }
            if (i < sentences.size()) {
                all.add(sentences.get(i));
            }
        }
        return all;
    }
}
