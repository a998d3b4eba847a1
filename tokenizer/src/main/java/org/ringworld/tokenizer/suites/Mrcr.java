package org.ringworld.tokenizer.suites;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.ringworld.tokenizer.RowRandom;
import org.ringworld.tokenizer.chat.ChatTemplate.Message;
import org.ringworld.tokenizer.tasks.Prose;

/**
 * Multi-round coreference: in a conversation the same is asked for several times among other
 * requests, and at the end one of these answers is to be repeated behind a random word. Scored by
 * how alike it is (difflib's ratio), and 0 without the word. The answers of the conversation are
 * made-up prose, whatever the haystack.
 */
final class Mrcr {
    private static final int PREFIX = 10;
    private static final int LINES = 4;

    /** Characters of a request and what stands around it. */
    private static final int REQUEST_CHARS = 60;

    private static final List<String> FORMS =
            Words.list("poem story riddle letter song speech prayer fable");
    private static final List<String> TOPICS =
            Words.list(
                    """
                    tapirs rocks umbrellas glaciers teapots lighthouses beetles violins pancakes comets
                    cobblers orchards mirrors turtles bridges candles thunderstorms donkeys libraries mushrooms
                    """);
    private static final List<String> ORDINALS =
            Words.list("first second third fourth fifth sixth seventh eighth");

    static final List<Task> TASKS = List.of(task(2), task(8));

    private Mrcr() {}

    private static Task task(int needles) {
        return new Task(
                "mrcr_%d_needles".formatted(needles),
                0,
                (_, random, _, chars) -> make(random, needles, chars),
                Mrcr::score);
    }

    /** What is asked for: {@code poem}, {@code tapirs}. */
    private record Request(String form, String topic) {
        static Request draw(RowRandom random) {
            return new Request(random.pick(FORMS), random.pick(TOPICS));
        }

        String reply(RowRandom random) {
            List<String> lines = new ArrayList<>();
            for (int i = 0; i < LINES; i++) {
                lines.add(line(random));
            }
            return String.join("\n", lines);
        }

        String line(RowRandom random) {
            String sentence = Prose.HELD_OUT.sentence(random).strip();
            return "The %s and t%s".formatted(topic, sentence.substring(1));
        }
    }

    private record Turn(Request request, String reply) {
        Stream<Message> messages() {
            String asked = "Write a %s about %s.".formatted(request.form, request.topic);
            return Stream.of(new Message("user", asked), new Message("assistant", reply));
        }
    }

    private static Question make(RowRandom random, int needles, int chars) {
        Request asked = Request.draw(random);
        List<Turn> hidden =
                Words.different(needles, () -> asked.reply(random)).stream()
                        .map(reply -> new Turn(asked, reply))
                        .toList();
        int which = random.below(needles);
        String prefix = Words.letters(random, 'A', PREFIX);
        List<Message> messages = new ArrayList<>();
        Haystack.hide(hidden, others(random, asked, chars), random)
                .forEach(turn -> turn.messages().forEach(messages::add));
        messages.add(
                new Message(
                        "user",
                        "Prepend %s to the %s %s about %s, and repeat it word for word. Do not include any other text in your response."
                                .formatted(prefix, ORDINALS.get(which), asked.form, asked.topic)));
        return new Question(messages, "", List.of(prefix + hidden.get(which).reply));
    }

    /** Turns that ask for something else, of so many characters. */
    private static List<Turn> others(RowRandom random, Request asked, int chars) {
        List<Turn> turns = new ArrayList<>();
        for (int left = chars - REQUEST_CHARS; left > 0; left -= REQUEST_CHARS) {
            Request other = Request.draw(random);
            while (other.equals(asked)) {
                other = Request.draw(random);
            }
            String reply = other.reply(random);
            if (reply.length() > left) {
                Request last = other;
                reply = String.join("\n", Haystack.fill(left, () -> last.line(random)));
            }
            turns.add(new Turn(other, reply));
            left -= reply.length();
        }
        return turns;
    }

    private static double score(Question question, String written) {
        String answer = question.answers().getFirst();
        String said = written.strip();
        if (!said.startsWith(answer.substring(0, PREFIX))) {
            return 0;
        }
        return SequenceMatcher.ratio(said.substring(PREFIX), answer.substring(PREFIX));
    }
}
