package org.ringworld.actors.http;

import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import org.apache.pekko.stream.QueueOfferResult;
import org.apache.pekko.stream.javadsl.SourceQueueWithComplete;
import org.apache.pekko.util.ByteString;
import org.ringworld.actors.http.openai.ApiFault;
import org.ringworld.actors.http.openai.ChoiceShape;
import org.ringworld.actors.http.openai.TextRequest;
import org.ringworld.actors.http.openai.Usage;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Takes what is written to the client. Each text's parts come in order; texts come side by side.
 */
sealed interface Reply {
    /** A text begins. */
    void begins(ChoiceShape shape) throws InterruptedException;

    void part(int index, ChoiceShape shape, ChoiceShape.Part part) throws InterruptedException;

    /**
     * A text is over.
     *
     * @param finish why
     */
    void over(int index, ChoiceShape shape, String finish) throws InterruptedException;

    /** What all objects of an answer have in common. */
    record Envelope(String id, String object, long created, String model) {
        static Envelope of(TextRequest request, String model) {
            String unique = UUID.randomUUID().toString().replace("-", "");
            return new Envelope(
                    (request.isChat() ? "chatcmpl-" : "cmpl-") + unique,
                    !request.isChat()
                            ? "text_completion"
                            : request.stream() == null
                                    ? "chat.completion"
                                    : "chat.completion.chunk",
                    System.currentTimeMillis() / 1000,
                    model);
        }

        ObjectNode node() {
            return JsonMapper.shared()
                    .createObjectNode()
                    .put("id", id)
                    .put("object", object)
                    .put("created", created)
                    .put("model", model);
        }
    }

    /** All at once. */
    final class Whole implements Reply {
        private final Envelope envelope;
        private final List<List<ChoiceShape.Part>> parts = new ArrayList<>();
        private final ObjectNode[] choices;

        Whole(Envelope envelope, int texts) {
            this.envelope = envelope;
            this.choices = new ObjectNode[texts];
            for (int i = 0; i < texts; i++) {
                parts.add(new ArrayList<>());
            }
        }

        @Override
        public void begins(ChoiceShape shape) {}

        @Override
        public void part(int index, ChoiceShape shape, ChoiceShape.Part part) {
            parts.get(index).add(part);
        }

        @Override
        public void over(int index, ChoiceShape shape, String finish) {
            choices[index] = shape.choice(parts.get(index), finish, false);
        }

        /** The answer, when all texts are over. */
        ObjectNode json(Usage usage) {
            ObjectNode all = envelope.node();
            all.putArray("choices").addAll(List.of(choices));
            all.set("usage", usage.json());
            return all;
        }
    }

    /** Server-sent events. Who reads slowly is waited for. */
    final class Events implements Reply {
        private final Envelope envelope;
        private final TextRequest.Stream stream;
        private final Usage usage;
        private final SourceQueueWithComplete<ByteString> queue;

        Events(
                Envelope envelope,
                TextRequest.Stream stream,
                Usage usage,
                SourceQueueWithComplete<ByteString> queue) {
            this.envelope = envelope;
            this.stream = stream;
            this.usage = usage;
            this.queue = queue;
        }

        @Override
        public void begins(ChoiceShape shape) throws InterruptedException {
            if (shape.first() != null) {
                chunk(shape.first());
            }
        }

        @Override
        public void part(int index, ChoiceShape shape, ChoiceShape.Part part)
                throws InterruptedException {
            chunk(shape.choice(List.of(part), null, true));
        }

        @Override
        public void over(int index, ChoiceShape shape, String finish) throws InterruptedException {
            chunk(shape.choice(List.of(), finish, true));
        }

        private void chunk(ObjectNode choice) throws InterruptedException {
            ObjectNode all = envelope.node();
            all.putArray("choices").add(choice);
            if (stream.usage()) {
                all.set("usage", stream.usageSoFar() ? usage.json() : null);
            }
            send(all);
        }

        /** All texts are over. */
        void finish() throws InterruptedException {
            if (stream.usage()) {
                ObjectNode all = envelope.node();
                all.putArray("choices");
                all.set("usage", usage.json());
                send(all);
            }
            offer("data: [DONE]\n\n");
            queue.complete();
        }

        /** It cannot go on. */
        void fail(ApiFault fault) throws InterruptedException {
            send(fault.json());
            queue.complete();
        }

        private void send(JsonNode json) throws InterruptedException {
            offer("data: " + json + "\n\n");
        }

        private void offer(String event) throws InterruptedException {
            try {
                QueueOfferResult result =
                        queue.offer(ByteString.fromString(event)).toCompletableFuture().get();
                if (!result.isEnqueued()) {
                    throw new InterruptedException("nobody listens any more");
                }
            } catch (ExecutionException e) {
                throw new InterruptedException("nobody listens any more");
            }
        }
    }
}
