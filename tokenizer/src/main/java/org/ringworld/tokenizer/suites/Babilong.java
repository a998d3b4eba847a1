package org.ringworld.tokenizer.suites;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.ringworld.tokenizer.RowRandom;

/**
 * bAbI's first three tasks (Weston et al. 2015) in a haystack: facts about people, places and
 * things, of which one, two or three answer the question. Right is an answer whose first sentence
 * names the right place, and no other but those of the question.
 */
final class Babilong {
    private static final int ANSWER_TOKENS = 20;

    private static final List<String> PEOPLE = Words.list("Mary John Daniel Sandra");
    private static final List<String> PLACES =
            Words.list("bathroom bedroom garden hallway kitchen office");
    private static final List<String> THINGS = Words.list("apple football milk");
    private static final List<String> GOES =
            List.of("moved to", "went to", "journeyed to", "travelled to", "went back to");
    private static final List<String> TAKES = List.of("grabbed", "picked up", "took", "got");
    private static final List<String> LEAVES = List.of("dropped", "put down", "left", "discarded");

    /** What comes after it in an answer is none. */
    private static final Pattern END = Pattern.compile("\\.|<context>|<example>|question");

    private static final String RULE =
            "Somebody who takes a thing has it wherever they go, until they leave it somewhere.";
    private static final String ASKED =
            """
            Facts about people are hidden in a text. Answer the question by these facts alone, and name one place. %s
            <example>
            %s
            </example>

            <context>
            %s
            </context>

            Question: %s""";
    private static final String BEGIN = "\nAnswer:";

    static final List<Task> TASKS =
            List.of(
                    task(
                            "qa1",
                            Babilong::whereSomebodyIs,
                            "Where somebody was last is where they are.",
                            "Alan went to the shop. Judith moved to the garage. Alan went to the beach. Where is Alan?\nAnswer: Alan is on the beach."),
                    task(
                            "qa2",
                            Babilong::whereAThingIs,
                            RULE,
                            "Judith went to the shop. Judith got the bottle. Judith moved to the balcony. Where is the bottle?\nAnswer: The bottle is on the balcony."),
                    task(
                            "qa3",
                            Babilong::whereAThingWas,
                            RULE,
                            "Alan took the key. Alan moved to the garage. Alan went to the beach. Where was the key before the beach?\nAnswer: Before the beach the key was in the garage."));

    private Babilong() {}

    /** Facts in order, with a question about them. */
    private record Story(List<String> facts, String question, String answer) {}

    private interface Teller {
        Story tell(RowRandom random);
    }

    private static Task task(String name, Teller teller, String rule, String example) {
        return new Task(
                name,
                ANSWER_TOKENS,
                (haystack, random, _, chars) -> {
                    Story story = teller.tell(random);
                    List<String> sentences = haystack.sentences(random, chars);
                    String context =
                            String.join(" ", Haystack.hide(story.facts, sentences, random));
                    return Question.of(
                            ASKED.formatted(rule, example, context, story.question),
                            BEGIN,
                            List.of(story.answer));
                },
                Babilong::score);
    }

    /** Who is where, and where things have been since somebody was seen to take them. */
    private static final class World {
        final RowRandom random;
        final List<String> facts = new ArrayList<>();
        final Map<String, String> people = new LinkedHashMap<>();
        final Map<String, String> carriers = new LinkedHashMap<>();
        final Map<String, String> lying = new LinkedHashMap<>();
        final Map<String, List<String>> been = new LinkedHashMap<>();

        World(RowRandom random) {
            this.random = random;
            THINGS.forEach(thing -> lying.put(thing, random.pick(PLACES)));
        }

        void move() {
            String who = random.pick(PEOPLE);
            String to = Words.except(at(who), () -> random.pick(PLACES));
            people.put(who, to);
            facts.add("%s %s the %s.".formatted(who, random.pick(GOES), to));
            carriers.forEach(
                    (thing, carrier) -> {
                        if (carrier.equals(who)) {
                            been.get(thing).add(to);
                        }
                    });
        }

        private Set<String> at(String who) {
            return people.containsKey(who) ? Set.of(people.get(who)) : Set.of();
        }

        /** Somebody takes or leaves a thing, if they can, or moves. */
        void act() {
            String thing = random.pick(THINGS);
            String carrier = carriers.get(thing);
            List<String> there =
                    people.keySet().stream()
                            .filter(who -> people.get(who).equals(lying.get(thing)))
                            .toList();
            if (random.below(2) == 0 || carrier == null && there.isEmpty()) {
                move();
            } else if (carrier != null) {
                lying.put(thing, people.get(carrier));
                carriers.remove(thing);
                facts.add("%s %s the %s.".formatted(carrier, random.pick(LEAVES), thing));
            } else {
                String who = random.pick(there);
                lying.remove(thing);
                carriers.put(thing, who);
                facts.add("%s %s the %s.".formatted(who, random.pick(TAKES), thing));
                been.computeIfAbsent(thing, _ -> new ArrayList<>(List.of(people.get(who))));
            }
        }
    }

    private static Story whereSomebodyIs(RowRandom random) {
        World world = new World(random);
        int facts = random.between(2, 10);
        while (world.facts.size() < facts) {
            world.move();
        }
        String who = random.pick(List.copyOf(world.people.keySet()));
        return new Story(world.facts, "Where is %s?".formatted(who), world.people.get(who));
    }

    private static Story whereAThingIs(RowRandom random) {
        World world = new World(random);
        int facts = random.between(6, 20);
        while (world.facts.size() < facts || world.been.isEmpty()) {
            world.act();
        }
        String thing = random.pick(List.copyOf(world.been.keySet()));
        String question = "Where is the %s?".formatted(thing);
        return new Story(world.facts, question, world.been.get(thing).getLast());
    }

    /** Asked about a place where the thing has been once, and last. */
    private static Story whereAThingWas(RowRandom random) {
        World world = new World(random);
        int facts = random.between(10, 30);
        List<String> fit = List.of();
        while (world.facts.size() < facts || fit.isEmpty()) {
            world.act();
            fit =
                    world.been.keySet().stream()
                            .filter(thing -> hasComeSomewhereNew(world.been.get(thing)))
                            .toList();
        }
        String thing = random.pick(fit);
        List<String> been = world.been.get(thing);
        String question = "Where was the %s before the %s?".formatted(thing, been.getLast());
        return new Story(world.facts, question, been.get(been.size() - 2));
    }

    private static boolean hasComeSomewhereNew(List<String> been) {
        return been.size() > 1 && been.indexOf(been.getLast()) == been.size() - 1;
    }

    private static double score(Question question, String written) {
        String first = END.split(written.toLowerCase(Locale.ROOT), 2)[0];
        String prompt = question.messages().getFirst().content();
        String asked = prompt.substring(prompt.lastIndexOf("Question: "));
        List<String> named =
                PLACES.stream().filter(p -> first.contains(p) && !asked.contains(p)).toList();
        return named.equals(question.answers()) ? 1 : 0;
    }
}
