package org.ringworld.tokenizer.suites;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.ringworld.tokenizer.RowRandom;

/** RULER's eight kinds of needles: which keys and values, how many, and among what. */
final class NeedlesInHaystack {
    private static final int ANSWER_TOKENS = 128;

    private static final String NEEDLE = "One of the special magic %s for %s is: %s.";
    static final String NOISE =
            "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.";

    private static final String SINGLE =
            """
            A special magic %1$s is hidden within the following text. Make sure to memorize it. I will quiz you about the %1$s afterwards.
            %2$s
            What is the special magic %1$s for %3$s mentioned in the provided text?""";
    private static final String SINGLE_BEGIN =
            " The special magic %s for %s mentioned in the provided text is";

    private static final String SEVERAL =
            """
            Some special magic %1$s are hidden within the following text. Make sure to memorize it. I will quiz you about the %1$s afterwards.
            %2$s
            What are all the special magic %1$s for %3$s mentioned in the provided text?""";
    private static final String SEVERAL_BEGIN =
            " The special magic %s for %s mentioned in the provided text are";

    static final List<Task> TASKS =
            List.of(
                    new Recipe(Hay.NOISE, Kind.WORDS, Kind.NUMBERS, 1, 1, 1).task("niah_single_1"),
                    new Recipe(Hay.TEXT, Kind.WORDS, Kind.NUMBERS, 1, 1, 1).task("niah_single_2"),
                    new Recipe(Hay.TEXT, Kind.WORDS, Kind.UUIDS, 1, 1, 1).task("niah_single_3"),
                    new Recipe(Hay.TEXT, Kind.WORDS, Kind.NUMBERS, 4, 1, 1).task("niah_multikey_1"),
                    new Recipe(Hay.NEEDLES, Kind.WORDS, Kind.NUMBERS, 1, 1, 1)
                            .task("niah_multikey_2"),
                    new Recipe(Hay.NEEDLES, Kind.UUIDS, Kind.UUIDS, 1, 1, 1)
                            .task("niah_multikey_3"),
                    new Recipe(Hay.TEXT, Kind.WORDS, Kind.NUMBERS, 1, 4, 1).task("niah_multivalue"),
                    new Recipe(Hay.TEXT, Kind.WORDS, Kind.NUMBERS, 4, 1, 4)
                            .task("niah_multiquery"));

    private NeedlesInHaystack() {}

    /** What needles lie among. */
    private enum Hay {
        NOISE,
        TEXT,
        NEEDLES
    }

    /** What keys and values are. */
    private enum Kind {
        WORDS("word"),
        NUMBERS("number"),
        UUIDS("uuid");

        final String one;

        Kind(String one) {
            this.one = one;
        }

        String draw(RowRandom random) {
            return switch (this) {
                case WORDS -> Words.pair(random);
                case NUMBERS -> Words.number(random);
                case UUIDS -> Words.uuid(random);
            };
        }
    }

    /**
     * What is hidden, and asked.
     *
     * @param values of each key
     * @param asked keys that are asked for
     */
    private record Recipe(Hay hay, Kind key, Kind value, int keys, int values, int asked) {
        Task task(String name) {
            return new Task(
                    name,
                    ANSWER_TOKENS,
                    (haystack, random, _, chars) -> make(haystack, random, chars),
                    Scores::containsAll);
        }

        private Question make(Haystack haystack, RowRandom random, int chars) {
            Set<String> taken = new HashSet<>();
            List<String> named = new ArrayList<>();
            List<String> answers = new ArrayList<>();
            List<String> needles = new ArrayList<>();
            for (int k = 0; k < keys; k++) {
                named.add(Words.different(taken, () -> key.draw(random)));
                for (int v = 0; v < values; v++) {
                    String drawn = Words.different(taken, () -> value.draw(random));
                    needles.add(needle(value, named.getLast(), drawn));
                    if (k < asked) {
                        answers.add(drawn);
                    }
                }
            }
            List<String> sentences =
                    switch (hay) {
                        case NOISE -> Haystack.fill(chars, () -> NOISE);
                        case TEXT -> haystack.sentences(random, chars);
                        case NEEDLES -> others(random, chars, key, value, taken);
                    };
            List<String> all = Haystack.hide(Words.shuffled(needles, random), sentences, random);
            String context = String.join(hay == Hay.TEXT ? " " : "\n", all);
            String query = listed(named.subList(0, asked));
            boolean single = answers.size() == 1;
            String what = single ? value.one : value.one + "s";
            return Question.of(
                    (single ? SINGLE : SEVERAL).formatted(what, context, query),
                    (single ? SINGLE_BEGIN : SEVERAL_BEGIN).formatted(what, query),
                    answers);
        }
    }

    private static String needle(Kind value, String key, String drawn) {
        return NEEDLE.formatted(value.one + "s", key, drawn);
    }

    /** Needles that nobody asks for: of other keys, with other values. */
    private static List<String> others(
            RowRandom random, int chars, Kind key, Kind value, Set<String> taken) {
        return Haystack.fill(
                chars,
                () ->
                        needle(
                                value,
                                Words.except(taken, () -> key.draw(random)),
                                Words.except(taken, () -> value.draw(random))));
    }

    private static String listed(List<String> keys) {
        int last = keys.size() - 1;
        return last == 0
                ? keys.getFirst()
                : String.join(", ", keys.subList(0, last)) + ", and " + keys.get(last);
    }
}
