package org.ringworld.tokenizer.suites;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.RowRandom;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.sources.TextFiles;
import org.ringworld.tokenizer.tasks.Prose;

/**
 * LWM's own needle evaluations (scripts/eval_needle.py and eval_needle_multi.py of its repository):
 * its templates, cities and numbers, with 200 tokens left for the answer.
 *
 * <p>Where it differs: lengths are tokens of the model that is asked, also where a needle is put
 * (LWM cuts with another model's tokenizer there, so that its contexts are longer or shorter than
 * they say), and hold all of a prompt (there the 200 tokens are for the question, too, and an
 * answer may go on behind them); a sentence ends with a period of the text, not with a token that
 * is one; several needles are placed before any of them is put in, so that none is cut off by the
 * next; and what is asked follows from seed, length, depth and round, so that a run that goes on
 * asks the same.
 */
public final class LwmNeedles {
    private static final String NEEDLE = "\nThe special magic %s number is: %s\n";
    private static final String ONE =
            "You are a helpful assistant. USER: %s %s Don't give information outside the document"
                    + " or repeat your findings. Keep your response short and direct. ASSISTANT: ";
    private static final String SEVERAL =
            "You are a helpful assistant. USER: %s %s Don't give information outside the document."
                    + " ASSISTANT: ";

    /** Tokens of a length that are left for the answer. */
    private static final int ANSWER = 200;

    /** As often as LWM has them. */
    private static final List<String> CITIES =
            List.of(
                    """
                    Chicago,Yangon,Antananarivo,Colombo,Almaty,Sydney,Chicago,Mexico City,Seattle,Lagos,\
                    Amsterdam,Belgrade,Cairo,Baghdad,Damascus,Kigali,Dakar,Dakar,Sofia,Kigali,Victoria,\
                    Tashkent,Mumbai,Barcelona,Almaty,Amman,Toronto,Bratislava,Johannesburg,Thimphu,Bangkok,\
                    Santiago,Cairo,San Francisco,Lagos,Amsterdam,Paris,Rabat,Santiago,Copenhagen,Madrid,\
                    Kigali,Ho Chi Minh City,Sarajevo,Delhi,Istanbul,Ho Chi Minh City,Khartoum,Helsinki,Doha,\
                    Istanbul,Kuala Lumpur,Budapest,Shanghai,Moscow,Los Angeles,Oslo,Johannesburg,Berlin,\
                    Bangalore,Tokyo,Melbourne,Barcelona,Chicago,Port Louis,Lisbon,Nairobi,Kampala,Lima,\
                    Maputo,Vancouver,Dubai,Khartoum,Jakarta,Madrid,Yerevan,Beirut,Athens,Chicago,Paris,\
                    Bucharest,Copenhagen,Brussels,Damascus,Seattle,Los Angeles,Yerevan,Victoria,Tunis,Astana,\
                    Seoul,Buenos Aires,Bangkok,Colombo,Brussels,Khartoum,Doha,San Francisco,Vienna,Jakarta"""
                            .split(","));

    private final List<int[]> contexts;
    private final Tokenizer tokenizer;
    private final long seed;

    private LwmNeedles(List<int[]> contexts, Tokenizer tokenizer, long seed) {
        this.contexts = contexts;
        this.tokenizer = tokenizer;
        this.seed = seed;
    }

    /**
     * A number of seven digits that is hidden.
     *
     * @param depth in percent of the context
     */
    public record Hidden(String city, String number, double depth) {}

    /**
     * What a model is asked.
     *
     * @param hidden all needles
     * @param asked those that are asked for, in the question's order
     * @param ids the prompt
     * @param most tokens that an answer may have
     */
    public record Asked(
            int length,
            int round,
            List<Hidden> hidden,
            List<Hidden> asked,
            String question,
            int[] ids,
            int most) {}

    /**
     * @param haystack documents, of which each round reads on where the one before ended; null:
     *     made-up prose
     * @param longest length that will be asked, in tokens
     * @throws DataException where the documents cannot be read or are too few
     */
    public static LwmNeedles of(
            Path haystack, Tokenizer tokenizer, int rounds, int longest, long seed)
            throws DataException {
        List<int[]> contexts = new ArrayList<>();
        if (haystack == null) {
            for (int round = 0; round < rounds; round++) {
                contexts.add(prose(tokenizer, longest, RowRandom.of(seed, round)));
            }
        } else {
            read(haystack, tokenizer, rounds, longest, contexts);
        }
        return new LwmNeedles(contexts, tokenizer, seed);
    }

    private static int[] prose(Tokenizer tokenizer, int longest, RowRandom random) {
        StringBuilder text = new StringBuilder();
        int[] ids = {};
        for (int chars = longest; ids.length < longest; chars += longest) {
            while (text.length() < chars) {
                text.append(Prose.HELD_OUT.sentence(random));
            }
            ids = tokenizer.encode(text.toString());
        }
        return ids;
    }

    private static void read(
            Path haystack, Tokenizer tokenizer, int rounds, int longest, List<int[]> contexts)
            throws DataException {
        StringBuilder text = new StringBuilder();
        int[] tokens = {0};
        new TextFiles(
                        example -> {
                            String one =
                                    example.fault() == null && contexts.size() < rounds
                                            ? example.fields().path("text").asString("")
                                            : "";
                            text.append(one);
                            tokens[0] += tokenizer.encode(one).length;
                            if (tokens[0] >= longest && contexts.size() < rounds) {
                                contexts.add(tokenizer.encode(text.toString()));
                                text.setLength(0);
                                tokens[0] = 0;
                            }
                        })
                .read(haystack);
        if (contexts.size() < rounds) {
            throw new DataException(
                    "%s: holds %d contexts of %d tokens, one for each of %d rounds is needed: give more documents, fewer --rounds or shorter lengths"
                            .formatted(haystack, contexts.size(), longest, rounds));
        }
    }

    /** One needle at a depth, in percent. */
    public Asked one(int length, double depth, int round) {
        RowRandom random = RowRandom.of(seed, length, Double.doubleToLongBits(depth), round);
        Hidden hidden = new Hidden(random.pick(CITIES), number(random), depth);
        String question = "What is the special magic %s number?".formatted(hidden.city);
        return asked(length, round, List.of(hidden), List.of(hidden), question, ONE);
    }

    /**
     * Needles of different cities at different depths, some of which are asked for.
     *
     * @param depths to choose from, in percent, at least as many as needles
     */
    public Asked several(int length, List<Double> depths, int needles, int asked, int round) {
        RowRandom random = RowRandom.of(seed, length, needles, asked, round);
        List<Double> drawn = Words.shuffled(depths, random);
        Set<String> cities = new LinkedHashSet<>();
        while (cities.size() < needles) {
            cities.add(random.pick(CITIES));
        }
        List<Hidden> hidden = new ArrayList<>();
        for (String city : cities) {
            hidden.add(new Hidden(city, number(random), drawn.get(hidden.size())));
        }
        List<Hidden> wanted = Words.shuffled(hidden, random).subList(0, asked);
        List<String> named = wanted.stream().map(Hidden::city).toList();
        String question =
                asked == 1
                        ? "What is the special magic number for %s?".formatted(named.getFirst())
                        : "What are the special magic numbers for %s, and %s?"
                                .formatted(
                                        String.join(", ", named.subList(0, asked - 1)),
                                        named.getLast());
        return asked(length, round, hidden, wanted, question, SEVERAL);
    }

    private static String number(RowRandom random) {
        return Integer.toString(random.between(1_000_000, 9_999_999));
    }

    private Asked asked(
            int length,
            int round,
            List<Hidden> hidden,
            List<Hidden> wanted,
            String question,
            String template) {
        int needles = hidden.stream().mapToInt(h -> tokenizer.encode(needle(h)).length).sum();
        int around = tokenizer.prompt(template.formatted("", question)).length;
        int room = length - needles - around - ANSWER;
        // Tokens next to a needle may be cut otherwise than in the text alone.
        int over = 0;
        for (int tokens = room; tokens >= 0; tokens -= over) {
            String context = hide(hidden, contexts.get(round), tokens);
            int[] ids = tokenizer.prompt(template.formatted(context, question));
            over = ids.length + ANSWER - length;
            if (over <= 0) {
                return new Asked(length, round, hidden, wanted, question, ids, ANSWER);
            }
        }
        throw new IllegalArgumentException(
                "%d needles with their question and answer take %d tokens of %s, more than a length of %d"
                        .formatted(hidden.size(), length - room, tokenizer, length));
    }

    /** The first tokens of a context with needles in it, each at the end of a sentence. */
    private String hide(List<Hidden> hidden, int[] context, int tokens) {
        String text = text(context, tokens);
        List<Hidden> byPlace = new ArrayList<>(hidden);
        byPlace.sort(Collections.reverseOrder(Comparator.comparingDouble(Hidden::depth)));
        StringBuilder whole = new StringBuilder(text);
        for (Hidden h : byPlace) {
            int before = (int) (tokens * h.depth / 100);
            // Of the last sentence that has ended there.
            int place =
                    h.depth == 100
                            ? text.length()
                            : text.lastIndexOf('.', text(context, before).length() - 1) + 1;
            whole.insert(place, needle(h));
        }
        return whole.toString();
    }

    private String text(int[] context, int tokens) {
        String text = tokenizer.decode(Arrays.copyOf(context, tokens));
        // A character that is cut in its middle.
        return text.endsWith("\ufffd") ? text.substring(0, text.length() - 1) : text;
    }

    private static String needle(Hidden hidden) {
        return NEEDLE.formatted(hidden.city, hidden.number);
    }
}
