package org.ringworld.tokenizer.worlds;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.ringworld.tokenizer.RowRandom;
import org.ringworld.tokenizer.media.Picture;

/**
 * Made-up pictures and films of coloured shapes, what they show in words, and questions about them.
 * Those of tests have things together that training never shows together.
 */
public final class WorldTask {
    private static final int MOST_THINGS = 4;
    private static final String[] NUMBERS = {"no", "one", "two", "three", "four"};

    /** Names this task's random numbers, so that other tasks have others. */
    private static final long NAME = "worlds".hashCode();

    private final long seed;
    private final boolean test;

    /**
     * @param test whether worlds are those that training never shows
     */
    public WorldTask(long seed, boolean test) {
        this.seed = seed;
        this.test = test;
    }

    /** A question with its one-word answer. */
    public record Question(String kind, String text, String answer) {}

    /**
     * What is shown, and said of it.
     *
     * @param frames one: a picture
     * @param caption what a generator of pictures is asked for
     */
    public record Shown(List<Picture> frames, String caption, List<Question> questions) {}

    /** The picture of a number, with one to four things. */
    public Shown picture(long number) {
        RowRandom random = RowRandom.of(NAME, seed, test ? 1 : 0, 0, number);
        World world;
        do {
            world = new World(things(random, random.between(1, MOST_THINGS)));
        } while (world.isHeldOut() != test);
        List<Question> questions = questions(world.things());
        // Any may come first, as whoever asks begins with any.
        for (int i = questions.size() - 1; i > 0; i--) {
            Collections.swap(questions, i, random.below(i + 1));
        }
        return new Shown(List.of(world.draw()), caption(world.things()), questions);
    }

    /** Things in cells of their own. */
    private static List<Thing> things(RowRandom random, int count) {
        List<Integer> cells = new ArrayList<>();
        for (int i = 0; i < World.CELLS * World.CELLS; i++) {
            cells.add(i);
        }
        List<Thing> things = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int cell = cells.remove(random.below(cells.size()));
            things.add(
                    new Thing(
                            Thing.Hue.values()[random.below(Thing.Hue.values().length)],
                            Thing.Figure.values()[random.below(Thing.Figure.values().length)],
                            cell % World.CELLS,
                            cell / World.CELLS));
        }
        return things;
    }

    /** {@code a red circle and two blue squares}, in the order of colours and shapes. */
    static String caption(List<Thing> things) {
        Map<String, Long> counts =
                things.stream()
                        .sorted(World.BY_KIND)
                        .collect(
                                Collectors.groupingBy(
                                        Thing::name, LinkedHashMap::new, Collectors.counting()));
        List<String> parts = new ArrayList<>();
        counts.forEach(
                (name, n) ->
                        parts.add(n == 1 ? one(name) : NUMBERS[n.intValue()] + " " + name + "s"));
        int last = parts.size() - 1;
        return last == 0
                ? parts.getFirst()
                : String.join(", ", parts.subList(0, last)) + " and " + parts.get(last);
    }

    private static String one(String name) {
        return (name.startsWith("o") ? "an " : "a ") + name;
    }

    private static List<Question> questions(List<Thing> things) {
        List<Question> questions = new ArrayList<>();
        questions.add(new Question("count", "How many things are there?", NUMBERS[things.size()]));
        single(things, Thing::figure)
                .forEach(
                        thing ->
                                questions.add(
                                        new Question(
                                                "colour",
                                                "What colour is the %s?".formatted(thing.figure()),
                                                thing.hue().toString())));
        single(things, Thing::hue)
                .forEach(
                        thing ->
                                questions.add(
                                        new Question(
                                                "shape",
                                                "What shape is %s?".formatted(thing.hue()),
                                                thing.figure().toString())));
        return questions;
    }

    /** Those that no other is like. */
    private static List<Thing> single(List<Thing> things, Function<Thing, Object> what) {
        return things.stream()
                .filter(
                        one ->
                                things.stream()
                                                .filter(t -> what.apply(t) == what.apply(one))
                                                .count()
                                        == 1)
                .toList();
    }

    /** What happens in a film. */
    private enum Happening {
        MOVES,
        APPEARS,
        VANISHES
    }

    /**
     * The film of a number: two things of different colours, to each of which something happens.
     */
    public Shown film(long number, int frames) {
        if (frames < World.CELLS) {
            throw new IllegalArgumentException(
                    "a film has at least %d frames".formatted(World.CELLS));
        }
        RowRandom random = RowRandom.of(NAME, seed, test ? 1 : 0, 1, number);
        List<Thing> pair;
        do {
            pair = things(random, 2);
        } while (pair.get(0).hue() == pair.get(1).hue()
                || pair.get(0).row() == pair.get(1).row()
                || new World(pair).isHeldOut() != test);
        List<Integer> when = new ArrayList<>();
        List<Happening> what = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            what.add(Happening.values()[random.below(Happening.values().length)]);
            int at = random.between(1, frames - 1);
            while (when.contains(at)) {
                at = random.between(1, frames - 1);
            }
            when.add(at);
        }
        List<Picture> shown = new ArrayList<>();
        for (int frame = 0; frame < frames; frame++) {
            List<Thing> present = new ArrayList<>();
            for (int i = 0; i < 2; i++) {
                Thing thing = at(pair.get(i), what.get(i), frame >= when.get(i));
                if (thing != null) {
                    present.add(thing);
                }
            }
            shown.add(new World(present).draw());
        }
        return new Shown(shown, filmCaption(pair, what), filmQuestions(pair, what, when));
    }

    /** Null: it is not there. */
    private static Thing at(Thing thing, Happening what, boolean happened) {
        return switch (what) {
            case MOVES ->
                    happened ? thing.at((thing.column() + 1) % World.CELLS, thing.row()) : thing;
            case APPEARS -> happened ? thing : null;
            case VANISHES -> happened ? null : thing;
        };
    }

    private static String verb(Happening what) {
        return what.name().toLowerCase(java.util.Locale.ROOT);
    }

    private static String filmCaption(List<Thing> pair, List<Happening> what) {
        return "%s %s and %s %s"
                .formatted(
                        one(pair.get(0).name()),
                        verb(what.get(0)),
                        one(pair.get(1).name()),
                        verb(what.get(1)));
    }

    private static List<Question> filmQuestions(
            List<Thing> pair, List<Happening> what, List<Integer> when) {
        int first = when.get(0) < when.get(1) ? 0 : 1;
        List<Question> questions = new ArrayList<>();
        questions.add(
                new Question(
                        "order",
                        "What colour is that to which something happens first?",
                        pair.get(first).hue().toString()));
        for (int i = 0; i < 2; i++) {
            questions.add(
                    new Question(
                            "happening",
                            "What does the %s do?".formatted(pair.get(i).name()),
                            verb(what.get(i))));
        }
        return questions;
    }
}
