package org.ringworld.actors.queue;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.job.Epochs;
import org.ringworld.actors.serving.ServedRing;
import org.ringworld.actors.serving.ServingActor;
import org.ringworld.actors.serving.ServingNews;
import org.ringworld.model.training.rank.Inference;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Rings that write texts for somebody outside. Nothing of them is kept on disk: who loses them asks
 * again.
 */
final class ServingRuns {
    /** So long nobody may ask what was written before it ends. */
    private static final Duration PATIENCE = Duration.ofMinutes(1);

    private final DevicePool<ActorRef<DeviceActor.Command>> devices;
    private final Epochs epochs;
    private final JobRuns runs;
    private final Map<String, Running> running = new HashMap<>();
    private final Map<String, String> over = new HashMap<>();
    private int begun;

    private record Running(
            ActorRef<ServingActor.Command> actor, Map<Long, WrittenText> texts, long[] asked) {}

    ServingRuns(DevicePool<ActorRef<DeviceActor.Command>> devices, Epochs epochs, JobRuns runs) {
        this.devices = devices;
        this.epochs = epochs;
        this.runs = runs;
    }

    /**
     * @param onEnd is told the id of one that has ended and why; null: it was stopped
     */
    QueueAnswer answer(
            QueueRequest.OfServing request,
            ActorContext<JobQueue.Command> context,
            BiConsumer<String, String> onEnd)
            throws IOException {
        return switch (request) {
            case QueueRequest.Serve serve -> begin(serve, context, onEnd);
            case QueueRequest.Asked asked -> ask(asked);
            case QueueRequest.Answers answers -> answers(answers);
            case QueueRequest.Cancel cancel -> cancel(cancel);
        };
    }

    private QueueAnswer begin(
            QueueRequest.Serve serve,
            ActorContext<JobQueue.Command> context,
            BiConsumer<String, String> onEnd)
            throws IOException {
        Inference on = runs.inference(Path.of(serve.model()), serve.settings(), false);
        String id = "s" + (begun + 1);
        List<ActorRef<DeviceActor.Command>> taken = devices.take(id, on.ringSize());
        begun++;
        ServedRing ring =
                new ServedRing(
                        serve.model(),
                        0,
                        serve.settings(),
                        on.model().vocabSize(),
                        taken.size(),
                        serve.capacity(),
                        on.options().deterministic(),
                        false);
        ActorRef<ServingActor.Command> actor =
                context.spawn(
                        ServingActor.create(
                                ring,
                                taken,
                                epochs,
                                PATIENCE,
                                false,
                                news -> {
                                    if (news instanceof ServingNews.Ended(String why)) {
                                        onEnd.accept(id, why);
                                    }
                                }),
                        "serving-" + id);
        running.put(id, new Running(actor, new HashMap<>(), new long[1]));
        return QueueAnswer.ofId(id);
    }

    private QueueAnswer ask(QueueRequest.Asked asked) {
        Running serving = running.get(asked.id());
        if (serving == null) {
            return gone(asked.id());
        }
        long number = ++serving.asked[0];
        WrittenText text = new WrittenText(asked.ask());
        serving.texts.put(number, text);
        serving.actor.tell(new ServingActor.Asked(number, asked.ask(), text));
        return QueueAnswer.of(JsonMapper.shared().createObjectNode().put("number", number));
    }

    private QueueAnswer answers(QueueRequest.Answers answers) {
        Running serving = running.get(answers.id());
        if (serving == null) {
            return gone(answers.id());
        }
        serving.actor.tell(new ServingActor.Heard());
        ObjectNode all = JsonMapper.shared().createObjectNode();
        answers.from()
                .forEach(
                        (number, from) -> {
                            WrittenText text = serving.texts.get(number);
                            if (text != null) {
                                all.set(number.toString(), text.from(from));
                            }
                        });
        // What was heard to its end is asked for no more; an answer that was lost is given again.
        Set<Long> open = answers.from().keySet();
        serving.texts.entrySet().removeIf(e -> e.getValue().isTold() && !open.contains(e.getKey()));
        return QueueAnswer.of(all);
    }

    private QueueAnswer cancel(QueueRequest.Cancel cancel) {
        Running serving = running.get(cancel.id());
        if (serving == null) {
            return gone(cancel.id());
        }
        serving.texts.remove(cancel.number());
        serving.actor.tell(new ServingActor.Cancelled(cancel.number()));
        return QueueAnswer.DONE;
    }

    private QueueAnswer gone(String id) {
        String why = over.get(id);
        return new QueueAnswer(
                false, why == null ? "nothing is known of it any more; ask again" : why);
    }

    /** Ends one, if it is one. */
    boolean stop(String id) {
        Running serving = running.get(id);
        if (serving != null) {
            serving.actor.tell(new ServingActor.Close());
        }
        return serving != null;
    }

    /** It has ended, and why; null: it was stopped. */
    void ended(String id, String why) {
        if (running.remove(id) != null) {
            devices.giveBack(id);
            over.put(id, why == null ? "it was stopped" : why);
        }
    }
}
