package org.ringworld.actors.queue;

import java.util.Map;
import org.ringworld.model.decode.Ask;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

/** What somebody asks the queue for: a word and its argument, read once. */
public sealed interface QueueRequest {
    /** Take this resolved configuration as a job; answered by its id. */
    record Submit(String text) implements QueueRequest {}

    /** Save the job's state and end it. */
    record Stop(String id) implements QueueRequest {}

    /** All jobs. */
    record Jobs() implements QueueRequest {}

    /** Members, their devices, and all jobs. */
    record Status() implements QueueRequest {}

    /** A job's log from a byte on. */
    record Log(String id, long from) implements QueueRequest {}

    /** A job's metrics.jsonl from a byte on. */
    record Metrics(String id, long from) implements QueueRequest {}

    /** What a job told after the thing of that number; 0: all that is kept. */
    record Follow(String id, long after) implements QueueRequest {}

    /** Run a saved model on free devices; answered by an id to ask {@link Forwarded} with. */
    record Forward(ForwardRun.Request request) implements QueueRequest {}

    /** Whether that is done. */
    record Forwarded(String id) implements QueueRequest {}

    /** What has to do with texts that a ring writes: {@link Serve} begins it. */
    sealed interface OfServing extends QueueRequest {}

    /**
     * Run a saved model on free devices, to write texts; answered by an id. It ends with {@link
     * Stop}, or when nobody has asked for {@link Answers} for a minute.
     *
     * @param model its path, one of every member's
     * @param settings {@code key=value}, a line each, as the command line's generate takes them
     * @param capacity tokens that there is room for, of all texts together
     */
    record Serve(String model, String settings, long capacity) implements OfServing {}

    /**
     * Serve a saved model to the clients of all nodes until it is stopped, whatever becomes of
     * nodes; answered by its id among the jobs. Refused where so many devices are not free.
     *
     * @param name of the model in the API
     * @param model its path, one of every member's
     * @param follow whether it is a run, whose newer models are to be served as they are saved:
     *     each on devices of its own, while what is being written ends with the one before
     * @param settings {@code key=value}, a line each, as the command line's generate takes them
     * @param capacity tokens that there is room for, of all texts together
     */
    record Deploy(String name, String model, boolean follow, String settings, long capacity)
            implements QueueRequest {
        public Deploy {
            if (name == null || name.isBlank()) {
                throw new IllegalArgumentException("a model that is served needs a name: name=");
            }
            if (capacity < 1) {
                throw new IllegalArgumentException(
                        "there is to be room for %d tokens; give maxTokens=".formatted(capacity));
            }
        }
    }

    /** Write a text; answered by its number. */
    record Asked(String id, Ask ask) implements OfServing {}

    /** What has been written of some texts, by number: from that token on. */
    record Answers(String id, Map<Long, Integer> from) implements OfServing {}

    /** Nobody waits for a text any more. */
    record Cancel(String id, long number) implements OfServing {}

    /**
     * Reads one.
     *
     * @throws IllegalArgumentException saying what is wrong with it
     */
    public static QueueRequest of(String word, String argument) {
        return switch (word) {
            case "submit" -> new Submit(argument);
            case "stop" -> new Stop(argument);
            case "jobs" -> new Jobs();
            case "status" -> new Status();
            case "log" -> new Log(id(argument), from(argument));
            case "metrics" -> new Metrics(id(argument), from(argument));
            case "follow" -> new Follow(id(argument), from(argument));
            case "forward" -> new Forward(json(argument, ForwardRun.Request.class));
            case "serve" -> json(argument, Serve.class);
            case "deploy" -> json(argument, Deploy.class);
            case "asked" -> json(argument, Asked.class);
            case "answers" -> json(argument, Answers.class);
            case "cancel" -> json(argument, Cancel.class);
            case "forwarded" -> new Forwarded(argument);
            default -> throw new IllegalArgumentException("nothing known of " + word);
        };
    }

    private static <T> T json(String argument, Class<T> kind) {
        try {
            return JsonMapper.shared().readValue(argument, kind);
        } catch (JacksonException e) {
            throw new IllegalArgumentException(e.getOriginalMessage(), e);
        }
    }

    private static String id(String argument) {
        return argument.strip().split(" ")[0];
    }

    private static long from(String argument) {
        String[] words = argument.strip().split(" ");
        return words.length > 1 ? Long.parseLong(words[1]) : 0;
    }

    /** The word that {@link #of} reads. */
    default String word() {
        return getClass().getSimpleName().toLowerCase(java.util.Locale.ROOT);
    }

    /** The argument that {@link #of} reads. */
    default String argument() {
        return switch (this) {
            case Submit submit -> submit.text;
            case Stop stop -> stop.id;
            case Jobs _, Status _ -> "";
            case Log log -> log.id + " " + log.from;
            case Metrics metrics -> metrics.id + " " + metrics.from;
            case Follow follow -> follow.id + " " + follow.after;
            case Forward forward -> JsonMapper.shared().writeValueAsString(forward.request);
            case Forwarded forwarded -> forwarded.id;
            case Deploy deploy -> JsonMapper.shared().writeValueAsString(deploy);
            case OfServing serving -> JsonMapper.shared().writeValueAsString(serving);
        };
    }
}
