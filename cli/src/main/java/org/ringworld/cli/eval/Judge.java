package org.ringworld.cli.eval;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.ringworld.cli.qa.EndpointAnswerer;

/** A model behind an endpoint, which says whether an answer is right. */
final class Judge implements AutoCloseable {
    private static final String ASKED =
            """
            A question was answered. Say whether the answer means the same as one of the right answers. Other words and further true words do no harm.

            Question: %s

            Right answers: %s

            Answer: %s

            Is the answer right? Say yes or no, and nothing else.""";
    private static final Pattern YES_NO = Pattern.compile("\\b(yes|no)\\b");

    private final EndpointAnswerer endpoint;

    /**
     * @param url as {@code --judge} gives it
     * @param model its name there; null: the endpoint's own choice
     * @param insecure whether it may be asked unencrypted on another host
     */
    Judge(String url, String model, boolean insecure) throws IOException {
        String key = System.getenv("OPENAI_API_KEY");
        endpoint =
                new EndpointAnswerer(
                        "--judge", url, model, key, 0, insecure, Duration.ofSeconds(1));
    }

    /**
     * What it was asked and said.
     *
     * @param right whether it said yes, at last
     */
    record Verdict(String asked, String said, boolean right) {}

    /**
     * @throws IOException where the endpoint gives no answer, in a sentence
     */
    Verdict judge(QaLine line, String written) throws IOException, InterruptedException {
        String asked =
                ASKED.formatted(
                        line.question(), String.join("; ", line.answers()), written.strip());
        String said = endpoint.answer(asked, 0);
        // Some think aloud first: the last word counts.
        List<MatchResult> words = YES_NO.matcher(said.toLowerCase(Locale.ROOT)).results().toList();
        boolean right = !words.isEmpty() && words.getLast().group().equals("yes");
        return new Verdict(asked, said, right);
    }

    @Override
    public void close() {
        endpoint.close();
    }
}
