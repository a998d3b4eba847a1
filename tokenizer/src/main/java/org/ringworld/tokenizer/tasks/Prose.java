package org.ringworld.tokenizer.tasks;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import org.ringworld.tokenizer.RowRandom;

/**
 * Plain made-up sentences to hide needles in, without digits and city names. Training and held-out
 * prose share no noun, verb, adjective or place.
 */
public final class Prose {
    static final Prose TRAINING =
            new Prose(
                    "river garden teacher window basket farmer letter kettle bridge captain "
                            + "market candle shepherd orchard ladder painter meadow carriage "
                            + "blanket miller harbor violin neighbor lantern cousin wagon",
                    "carried watched mended followed painted opened remembered borrowed "
                            + "described measured gathered sold visited cleaned hid praised",
                    "quiet old narrow yellow patient broken heavy small cheerful wooden distant "
                            + "bright tired gentle crooked warm",
                    "near the mill|before the rain|after supper|in the morning|by the gate|"
                            + "without a word|every autumn|on the hill|behind the barn|at noon");

    public static final Prose HELD_OUT =
            new Prose(
                    "engine doctor mirror pencil island soldier guitar chimney student temple "
                            + "forest jacket sailor curtain factory poet canyon bottle "
                            + "balcony tailor statue pigeon grandmother compass uncle ferry",
                    "repaired ignored lifted polished counted admired buried translated "
                            + "chased drew answered dropped guarded copied weighed sketched",
                    "strange young wide purple clever empty light huge solemn metal famous "
                            + "dark hungry rough curved cold",
                    "under the tower|during the storm|before breakfast|late at night|"
                            + "beside the road|with great care|each spring|on the shore|"
                            + "inside the hall|at dusk");

    private final List<String> nouns;
    private final List<String> verbs;
    private final List<String> adjectives;
    private final List<String> places;

    private Prose(String nouns, String verbs, String adjectives, String places) {
        this.nouns = List.of(nouns.split(" "));
        this.verbs = List.of(verbs.split(" "));
        this.adjectives = List.of(adjectives.split(" "));
        this.places = Arrays.asList(places.split("\\|"));
    }

    /** {@code The old miller carried a basket near the mill. } */
    public String sentence(RowRandom random) {
        StringBuilder s = new StringBuilder("The ");
        if (random.below(2) == 0) {
            s.append(random.pick(adjectives)).append(' ');
        }
        s.append(random.pick(nouns)).append(' ').append(random.pick(verbs)).append(" the ");
        if (random.below(2) == 0) {
            s.append(random.pick(adjectives)).append(' ');
        }
        s.append(random.pick(nouns));
        if (random.below(3) > 0) {
            s.append(' ').append(random.pick(places));
        }
        return s.append(". ").toString();
    }

    /** Sentences of exactly {@code bytes} bytes together; the first may begin in its middle. */
    List<String> sentences(RowRandom random, int bytes) {
        Deque<String> sentences = new ArrayDeque<>();
        int total = 0;
        while (total < bytes) {
            String sentence = sentence(random);
            total += sentence.length();
            if (total <= bytes) {
                sentences.addLast(sentence);
            } else {
                sentences.addFirst(sentence.substring(total - bytes));
            }
        }
        return List.copyOf(sentences);
    }
}
