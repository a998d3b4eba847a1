package org.ringworld.tokenizer.suites;

import java.util.ArrayList;
import java.util.List;
import org.ringworld.tokenizer.RowRandom;

/**
 * RULER's vt: a value is given to a variable, that one to another, and so on; which variables have
 * it? One chain of four steps among noise, after an example.
 */
final class VariableTracking {
    private static final int ANSWER_TOKENS = 30;
    private static final int VARIABLES = 5;
    private static final int LETTERS = 5;

    /** Of the example, which is short: its variables and lines of noise. */
    private static final int EXAMPLE_LETTERS = 3;

    private static final int EXAMPLE_CHARS = 500;

    private static final String ASKED =
            """
            Memorize and track the chain(s) of variable assignment hidden in the following text.

            %s
            Question: Find all variables that are assigned the value %s in the text above.""";
    private static final String BEGIN =
            " Answer: According to the chain(s) of variable assignment in the text above, %d variables are assigned the value %s, they are: ";

    static final Task TASK =
            new Task(
                    "vt",
                    ANSWER_TOKENS,
                    (_, random, _, chars) -> make(random, chars),
                    Scores::containsAll);

    private VariableTracking() {}

    private static Question make(RowRandom random, int chars) {
        Question example = chain(random, EXAMPLE_LETTERS, EXAMPLE_CHARS);
        Question asked = chain(random, LETTERS, chars);
        String solved = example.text() + String.join(" ", example.answers()) + "\n\n";
        String prompt = solved + asked.messages().getFirst().content();
        return Question.of(prompt, asked.begin(), asked.answers());
    }

    private static Question chain(RowRandom random, int letters, int chars) {
        List<String> names = Words.different(VARIABLES, () -> Words.letters(random, 'A', letters));
        String value = Integer.toString(random.between(10_000, 99_999));
        List<String> chain = new ArrayList<>();
        chain.add("VAR %s = %s".formatted(names.getFirst(), value));
        for (int i = 1; i < VARIABLES; i++) {
            chain.add("VAR %s = VAR %s".formatted(names.get(i), names.get(i - 1)));
        }
        List<String> noise = Haystack.fill(chars, () -> NeedlesInHaystack.NOISE);
        String context = String.join("\n", Haystack.hide(chain, noise, random));
        return Question.of(
                ASKED.formatted(context, value), BEGIN.formatted(VARIABLES, value), names);
    }
}
