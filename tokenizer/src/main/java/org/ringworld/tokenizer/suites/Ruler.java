package org.ringworld.tokenizer.suites;

import java.util.List;
import java.util.stream.Stream;

/**
 * RULER's 13 tasks in its words (Hsieh et al. 2024, arXiv:2404.06654, table 2 and appendix B):
 * needles, tracing of variables, common and frequent words, questions about documents.
 */
public final class Ruler {
    /**
     * What a model must reach at a length that counts as its own: LLaMA-2-7B's at 4K (§4 of the
     * paper).
     */
    public static final double THRESHOLD = 0.856;

    static final List<Task> TASKS =
            Stream.of(
                            NeedlesInHaystack.TASKS,
                            List.of(VariableTracking.TASK),
                            WordCounting.TASKS,
                            DocumentQuestions.TASKS)
                    .flatMap(List::stream)
                    .toList();

    private Ruler() {}
}
