package org.ringworld.actors.http;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionService;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.ringworld.actors.Faults;
import org.ringworld.actors.http.openai.ApiFault;
import org.ringworld.actors.http.openai.ChatShape;
import org.ringworld.actors.http.openai.ChoiceShape;
import org.ringworld.actors.http.openai.CompletionShape;
import org.ringworld.actors.http.openai.TextRequest;
import org.ringworld.actors.http.openai.Usage;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Continuation;
import org.ringworld.model.decode.Made;
import org.ringworld.model.decode.Sampler;
import org.ringworld.tokenizer.TextDecoder;
import org.ringworld.tokenizer.Tokenizer;

/** Has all texts of a request written, each followed by a virtual thread of its own. */
final class TextRun {
    private final ServedText model;
    private final TextRequest request;
    private final Usage usage;
    private final Metrics metrics;
    private final Reply reply;
    private final Tokenizer tokenizer;
    private final List<Text> texts = new ArrayList<>();
    private final long start = System.nanoTime();

    TextRun(ServedText model, TextRequest request, Usage usage, Metrics metrics, Reply reply) {
        this.model = model;
        this.request = request;
        this.usage = usage;
        this.metrics = metrics;
        this.reply = reply;
        this.tokenizer = model.tokenizer();
        for (int p = 0; p < request.prompts().size(); p++) {
            CountDownLatch read = new CountDownLatch(1);
            for (int i = 0; i < request.choices(); i++) {
                texts.add(new Text(p, i, read));
            }
        }
    }

    /** What a client is told that waits: how far its prompts have been read. From any thread. */
    String progress() {
        int read = texts.stream().mapToInt(Text::read).sum();
        int all = request.promptTokens();
        return read < all ? "read %d of %d".formatted(read, all) : "writing";
    }

    /**
     * Returns when all are over; none goes on when it has returned.
     *
     * @throws ApiFault where one cannot be
     * @throws InterruptedException where nobody waits for them any more
     */
    void run() throws InterruptedException {
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            try {
                CompletionService<Void> done = new ExecutorCompletionService<>(threads);
                texts.forEach(text -> done.submit(text::write));
                for (int i = 0; i < texts.size(); i++) {
                    done.take().get();
                }
            } catch (ExecutionException e) {
                throw fault(e.getCause());
            } finally {
                threads.shutdownNow();
            }
        }
    }

    private static RuntimeException fault(Throwable cause) throws InterruptedException {
        return switch (cause) {
            case InterruptedException e -> throw e;
            // What a client could have done wrong was found out before.
            case IllegalArgumentException e ->
                    ApiFault.server(503, "not_answered", Faults.sentence(e));
            default -> new IllegalStateException(cause);
        };
    }

    private final class Text implements Continuation.Out {
        private final int[] prompt;
        private final int index;
        private final int choice;
        private final CountDownLatch read;
        private final ChoiceShape shape;
        private volatile Answer answer;

        /**
         * @param read tells when the prompt has been read for the first of its texts: the others
         *     find it read
         */
        Text(int p, int choice, CountDownLatch read) {
            this.prompt = request.prompts().get(p);
            this.index = p * request.choices() + choice;
            this.choice = choice;
            this.read = read;
            this.shape =
                    request.isChat()
                            ? new ChatShape(index, request.logprobs(), tokenizer)
                            : new CompletionShape(
                                    index, request.logprobs(), tokenizer, decoder(request.echo()));
        }

        /** One that goes on with the prompt's words, so that no space between is lost. */
        private TextDecoder decoder(boolean fresh) {
            TextDecoder decoder = tokenizer.decoder();
            for (int i = 0; i < prompt.length && !fresh; i++) {
                if (prompt[i] < tokenizer.vocabSize()) {
                    decoder.next(prompt[i]);
                }
            }
            return decoder;
        }

        /** Tokens of the prompt that have been read, told of one of its texts. */
        private int read() {
            Answer asked = answer;
            return choice > 0 || asked == null ? 0 : asked.read();
        }

        Void write() throws InterruptedException {
            try {
                reply.begins(shape);
                if (choice > 0) {
                    read.await();
                }
                try (Answer asked = model.engine().ask(ask())) {
                    answer = asked;
                    follow();
                }
            } finally {
                read.countDown();
            }
            return null;
        }

        private Ask ask() {
            return new Ask(
                    prompt,
                    request.most(),
                    choice(request.sampler(), choice),
                    tokenizer.ends(),
                    request.alternatives(),
                    request.scores() && prompt.length > 1 ? 1 : 0);
        }

        private void follow() throws InterruptedException {
            Continuation written =
                    Continuation.writeTokens(
                            answer, tokenizer, decoder(request.isChat()), request.stops(), this);
            if (request.scores()) {
                wrote(written.tokens().size());
                reply.part(index, shape, shape.echo(prompt, answer));
                reply.part(index, shape, shape.part(written.text(), written.tokens()));
            }
            if (written.end() != null) {
                wrote(1);
                if (request.logprobs() && !request.isChat()) {
                    // Who sums up logprobs counts on one token more than those that were asked for.
                    reply.part(index, shape, shape.part("", List.of(written.end())));
                }
            }
            metrics.wrote(written);
            reply.over(index, shape, written.stopped() ? "stop" : "length");
        }

        private void wrote(int tokens) {
            usage.written(tokens);
            metrics.wrote(tokens);
        }

        @Override
        public void begins() throws InterruptedException {
            read.countDown();
            metrics.read(prompt.length, answer.cached(), System.nanoTime() - start);
            if (choice == 0) {
                usage.cached(answer.cached());
            }
            if (request.echo() && !request.scores()) {
                reply.part(index, shape, shape.echo(prompt, null));
            }
        }

        @Override
        public void part(String text, List<Made.Token> tokens) throws InterruptedException {
            // The prompt comes first, and its scores are whole at the end.
            if (!request.scores()) {
                wrote(tokens.size());
                reply.part(index, shape, shape.part(text, tokens));
            }
        }
    }

    private static Sampler choice(Sampler first, int i) {
        return new Sampler(
                first.temperature(),
                first.topK(),
                first.topP(),
                first.minP(),
                first.repetitionPenalty(),
                first.seed() + i);
    }
}
