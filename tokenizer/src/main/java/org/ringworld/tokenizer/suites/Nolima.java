package org.ringworld.tokenizer.suites;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.ringworld.tokenizer.RowRandom;

/**
 * Needles that share no word with their question but the small ones (NoLiMa's idea, Modarressi et
 * al. 2025): who lives next to the Semper Opera House has been to Dresden. The associations are our
 * own; the needle has the name first, or last. Right is an answer with the name.
 */
final class Nolima {
    private static final int ANSWER_TOKENS = 32;

    private static final String ASKED =
            """
            You will answer a question based on the following text:

            %s

            The answer is a character's name. The text may not say it outright: find it by what follows from the text, and say the name alone.

            Question: %s""";
    private static final String BEGIN = "\nAnswer:";

    static final List<String> NAMES =
            Words.list("Yuki Tomas Ingrid Farid Leila Oskar Priya Bruno Noemi Anselm Dalia Kofi");

    /** A needle with the name first, the same with it last, and a question without its words. */
    record Association(String direct, String inverted, String question) {}

    static final List<Association> ASSOCIATIONS = associations();

    static final List<Task> TASKS = List.of(task("direct", false), task("inverted", true));

    private static final Pattern NAMED = Pattern.compile("(?<=\\s)\\p{Lu}\\p{L}+");

    private Nolima() {}

    private static List<Association> associations() {
        List<Association> all = new ArrayList<>();
        String[][] homes = {
            {"Semper Opera House", "Dresden"},
            {"Alhambra", "Granada"},
            {"Atomium", "Brussels"},
            {"Uffizi", "Florence"},
            {"Rijksmuseum", "Amsterdam"},
            {"Sagrada Familia", "Barcelona"},
            {"Hagia Sophia", "Istanbul"},
            {"Golden Gate Bridge", "San Francisco"},
            {"Table Mountain cable car", "Cape Town"},
            {"Prado", "Madrid"},
            {"Acropolis", "Athens"},
            {"Rialto Bridge", "Venice"},
            {"Petronas Towers", "Kuala Lumpur"},
            {"Burj Khalifa", "Dubai"},
            {"Forbidden City", "Beijing"},
            {"Copacabana beach", "Rio de Janeiro"}
        };
        for (String[] home : homes) {
            all.add(
                    new Association(
                            "Actually, %%s lives next to the %s.".formatted(home[0]),
                            "The %s is next to where %%s lives.".formatted(home[0]),
                            "Which character has been to %s?".formatted(home[1])));
        }
        all.add(
                new Association(
                        "Then %s explained having eaten nothing from animals for years.",
                        "Having eaten nothing from animals for years was what %s explained then.",
                        "Which character would refuse a slice of cheese?"));
        all.add(
                new Association(
                        "Actually, %s plays first violin in an orchestra.",
                        "The first violin in that orchestra is played by %s.",
                        "Which character can read sheet music?"));
        all.add(
                new Association(
                        "Actually, %s keeps a dozen beehives behind the shed.",
                        "The dozen beehives behind the shed belong to %s.",
                        "Which character can offer home-made honey?"));
        all.add(
                new Association(
                        "Then %s told them about being a retired cosmonaut.",
                        "The retired cosmonaut of whom they told was %s.",
                        "Which character has seen the Earth from far above?"));
        return List.copyOf(all);
    }

    private static Task task(String name, boolean inverted) {
        return new Task(
                name,
                ANSWER_TOKENS,
                (haystack, random, _, chars) -> make(haystack, random, chars, inverted),
                Scores::containsAny);
    }

    private static Question make(Haystack haystack, RowRandom random, int chars, boolean inverted) {
        Association association = random.pick(ASSOCIATIONS);
        String name = random.pick(NAMES);
        String needle = inverted ? association.inverted : association.direct;
        // A sentence that named either would be another answer, or lead to one.
        List<String> without = new ArrayList<>(List.of(name));
        NAMED.matcher(association.question).results().map(MatchResult::group).forEach(without::add);
        List<String> sentences =
                haystack.sentences(
                        random, chars, s -> without.stream().noneMatch(word -> s.contains(word)));
        List<String> all = Haystack.hide(List.of(needle.formatted(name)), sentences, random);
        String context = String.join(" ", all);
        return Question.of(ASKED.formatted(context, association.question), BEGIN, List.of(name));
    }
}
