package org.ringworld.actors.queue;

import java.io.IOException;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiConsumer;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.job.Epochs;
import org.ringworld.model.training.rank.Inference;
import tools.jackson.databind.json.JsonMapper;

/** Forwards of saved models; nothing of them is kept: who loses the answer asks again. */
final class ForwardRuns {
    private final DevicePool<ActorRef<DeviceActor.Command>> devices;
    private final Epochs epochs;
    private final JobRuns runs;
    private final Set<String> running = new HashSet<>();
    private final Map<String, Optional<String>> over = new HashMap<>();
    private int begun;

    ForwardRuns(DevicePool<ActorRef<DeviceActor.Command>> devices, Epochs epochs, JobRuns runs) {
        this.devices = devices;
        this.epochs = epochs;
        this.runs = runs;
    }

    /**
     * Begins one, if enough devices are free.
     *
     * @param onEnd is told its id and the sentence of a fault, or null
     */
    QueueAnswer begin(
            ForwardRun.Request request,
            ActorContext<JobQueue.Command> context,
            BiConsumer<String, String> onEnd)
            throws IOException {
        Inference on = runs.inference(request.model(), request.settings(), request.gradients());
        String id = "f" + (begun + 1);
        List<ActorRef<DeviceActor.Command>> taken = devices.take(id, on.ringSize());
        begun++;
        running.add(id);
        context.spawn(
                ForwardRun.create(
                        request, taken, epochs.next(), sentence -> onEnd.accept(id, sentence)),
                "forward-" + id);
        return QueueAnswer.ofId(id);
    }

    /** It has ended, with the sentence of a fault or null. */
    void ended(String id, String sentence) {
        if (running.remove(id)) {
            devices.giveBack(id);
            over.put(id, Optional.ofNullable(sentence));
        }
    }

    QueueAnswer answer(String id) {
        Optional<String> sentence = over.get(id);
        if (sentence != null && sentence.isPresent()) {
            return new QueueAnswer(false, sentence.get());
        }
        if (sentence == null && !running.contains(id)) {
            return new QueueAnswer(false, "nothing is known of it any more; ask again");
        }
        return QueueAnswer.of(JsonMapper.shared().createObjectNode().put("done", sentence != null));
    }
}
