package org.ringworld.cli.eval;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.ringworld.cli.InferenceSettings;
import org.ringworld.cli.Ringworld;
import org.ringworld.cli.TextModel;
import org.ringworld.cli.cluster.InCluster;
import org.ringworld.model.attention.PageMemory;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Scheduler;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The model that is evaluated, and where it runs.
 *
 * @param keys {@code key=value} as they are typed
 * @param cluster null: in this process
 */
record EvalModel(Path path, List<String> keys, InCluster cluster, TextModel opened) {
    /** As it is named on a command line. */
    static final class Options {
        @Parameters(
                index = "0",
                paramLabel = "MODEL",
                description = "A model directory or file, a run, or hf:OWNER/NAME.")
        private Path model;

        @Parameters(
                index = "1..*",
                arity = "0..*",
                paramLabel = "key=value",
                description = "Settings.")
        private List<String> settings = List.of();

        @ArgGroup(exclusive = false)
        private InCluster cluster;

        EvalModel open() throws Exception {
            return EvalModel.open(model, settings, cluster);
        }
    }

    /** Texts of the longest's length that there is room for, where memory allows. */
    private static final int AT_ONCE = 8;

    private static EvalModel open(Path path, List<String> settings, InCluster cluster)
            throws Exception {
        List<String> keys =
                settings.stream()
                        .map(s -> s.replaceFirst("^ropeTheta=", "model.ropeTheta="))
                        .toList();
        TextModel opened = TextModel.open(InferenceSettings.of(keys, Ringworld.HUB.model(path)));
        return new EvalModel(path, keys, cluster, opened);
    }

    int context() {
        return opened.on().config().maxPositionEmbeddings();
    }

    /** Lengths from one up to the model's context, each half of the next; at least that context. */
    List<Integer> lengths(int from) {
        List<Integer> lengths = new ArrayList<>();
        for (int n = context(); n >= from || lengths.isEmpty(); n /= 2) {
            lengths.addFirst(n);
        }
        return lengths;
    }

    /**
     * Whoever answers for it.
     *
     * @param longest tokens of a text, with what is written after it
     */
    Engine engine(int longest) throws Exception {
        InferenceSettings on = opened.on();
        long one = (longest / PageMemory.TOKENS + 1L) * PageMemory.TOKENS;
        int room = on.room(Math.max(AT_ONCE * one, Scheduler.TEXTS * (long) PageMemory.TOKENS));
        return cluster == null ? on.engine(room) : on.engine(room, keys, cluster.client());
    }

    /** Says where texts are longer than the model's context: it was not trained to read them. */
    void warnWhereLonger(int longest) {
        if (longest > context()) {
            System.err.printf(
                    "ringworld: the longest text has %d tokens, more than the context of %d that %s has%n",
                    longest, context(), path);
        }
    }

    /** What is evaluated, to begin a file of results with. */
    ObjectNode request() {
        ObjectNode request = JsonMapper.shared().createObjectNode();
        request.put("model", path.toString());
        request.put("directory", opened.directory().toString());
        ArrayNode settings = request.putArray("settings");
        keys.forEach(settings::add);
        return request;
    }

    /** Says what is evaluated, above its table. */
    void tell() {
        InferenceSettings on = opened.on();
        System.out.printf(
                Locale.ROOT,
                "%s, rotary base %.4g, ring of %d, %s%n",
                path,
                on.config().ropeTheta(),
                on.ringSize(),
                on.dtype());
    }
}
