package org.ringworld.tokenizer.suites;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.ringworld.tokenizer.RowRandom;

/**
 * RULER's qa_1 and qa_2: a question about documents, one of which (or two, from one to the other)
 * answers it. RULER takes SQuAD's and HotpotQA's paragraphs; ours are sentences of the haystack
 * with a fact about people and towns that nobody knows.
 */
final class DocumentQuestions {
    private static final int ANSWER_TOKENS = 32;
    private static final int SENTENCES = 5;
    private static final int FEWEST = 4;

    private static final String BORN = "%s was born in %s.";
    private static final String MAYOR = "The mayor of %s is %s.";

    private static final String ASKED =
            """
            Answer the question based on the given documents. Only give me the answer and do not output any other words.

            The following are given documents.

            %s

            Answer the question based on the given documents. Only give me the answer and do not output any other words.

            Question: %s""";
    private static final String BEGIN = " Answer:";

    static final List<Task> TASKS = List.of(task("qa_1", 1), task("qa_2", 2));

    private DocumentQuestions() {}

    private static Task task(String name, int hops) {
        return new Task(
                name,
                ANSWER_TOKENS,
                (haystack, random, _, chars) ->
                        make(random, haystack.sentences(random, chars), hops),
                Scores::containsAny);
    }

    /** People of different names and towns; with two hops each is also some town's mayor. */
    private static Question make(RowRandom random, List<String> sentences, int hops) {
        int documents = Math.max(FEWEST, sentences.size() / SENTENCES / hops * hops);
        Set<String> taken = new HashSet<>();
        List<String> facts = new ArrayList<>();
        String question = null;
        String answer = null;
        while (facts.size() < documents) {
            String name = Words.different(taken, () -> Words.name(random));
            String home = Words.different(taken, () -> Words.name(random));
            facts.add(BORN.formatted(name, home));
            String about = name;
            if (hops == 2) {
                String town = Words.different(taken, () -> Words.name(random));
                facts.add(MAYOR.formatted(town, name));
                about = "the mayor of " + town;
            }
            // The first are asked about; where they come to lie is random.
            if (question == null) {
                question = "In which town was %s born?".formatted(about);
                answer = home;
            }
        }
        List<String> placed = Words.shuffled(facts, random);
        String context =
                IntStream.range(0, documents)
                        .mapToObj(
                                i ->
                                        document(
                                                i + 1,
                                                placed.get(i),
                                                part(sentences, i, documents),
                                                random))
                        .collect(Collectors.joining("\n\n"));
        return Question.of(ASKED.formatted(context, question), BEGIN, List.of(answer));
    }

    private static List<String> part(List<String> sentences, int i, int documents) {
        int from = (int) ((long) sentences.size() * i / documents);
        int to = (int) ((long) sentences.size() * (i + 1) / documents);
        return sentences.subList(from, to);
    }

    private static String document(
            int number, String fact, List<String> sentences, RowRandom random) {
        List<String> all = Haystack.hide(List.of(fact), sentences, random);
        return "Document %d:\n%s".formatted(number, String.join(" ", all));
    }
}
