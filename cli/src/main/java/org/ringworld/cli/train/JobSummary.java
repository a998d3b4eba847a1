package org.ringworld.cli.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.IntSummaryStatistics;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.model.layers.WholeParameters;
import org.ringworld.model.training.Curriculum;
import org.ringworld.model.training.Stage;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.StageData;
import org.ringworld.model.training.job.StartModel;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.tasks.NeedleTask;

/** What a job is, in the five lines that a person reads first; the rest is in its job.conf. */
final class JobSummary {
    private static final int PROMPT_BYTES = 256;

    private JobSummary() {}

    /** Model; ring; data; stages; output. */
    static List<String> of(Job job) {
        return List.of(
                "model   " + model(job),
                "ring    %s, %s, %s; %sB each for weights, gradients, optimizer"
                        .formatted(
                                devices(job.devices()),
                                job.layout().name(),
                                job.dtype(),
                                count(memory(job))),
                "data    " + data(job),
                "stages  " + stages(job.curriculum()),
                "output  %s (every key is in its job.conf)".formatted(job.output()));
    }

    /** How many of each kind: 2 × cpu (1 thread). */
    private static String devices(List<DeviceSpec> devices) {
        Map<String, Integer> kinds = new LinkedHashMap<>();
        devices.forEach(device -> kinds.merge(device.name(), 1, Integer::sum));
        return kinds.entrySet().stream()
                .map(kind -> kind.getValue() + " × " + kind.getKey())
                .collect(Collectors.joining(", "));
    }

    private static long memory(Job job) {
        return WholeParameters.bytes(job.model(), job.dtype(), job.curriculum().firstMoment());
    }

    private static String model(Job job) {
        LlamaConfig model = job.model();
        long parameters = LlamaTensors.count(model);
        return "%s parameters: %d layers, hidden %d, vocabulary %d%s; %s"
                .formatted(
                        count(parameters),
                        model.numLayers(),
                        model.hiddenSize(),
                        model.vocabSize(),
                        model.visionVocabSize() == 0 ? "" : " + " + model.visionVocabSize(),
                        job.start() == null
                                ? "random weights"
                                : "from " + job.start() + StartModel.added(job));
    }

    private static String data(Job job) {
        TreeSet<String> tasks = new TreeSet<>();
        TreeSet<Path> paths = new TreeSet<>();
        for (Stage stage : job.curriculum().stages()) {
            if (stage.task() != Stage.Task.TEXT) {
                tasks.add(stage.task().toString());
            }
        }
        for (StageData data : job.data()) {
            data.sources().forEach(source -> paths.add(source.path()));
        }
        List<String> said = new ArrayList<>();
        if (!tasks.isEmpty()) {
            said.add("made up: " + String.join(", ", tasks));
        }
        if (!paths.isEmpty()) {
            Path first = paths.first();
            said.add(
                    paths.size() == 1
                            ? "" + first
                            : "%s and %d more".formatted(first, paths.size() - 1));
        }
        return "%s; tokenizer %s".formatted(String.join("; ", said), job.tokenizer());
    }

    private static String stages(Curriculum curriculum) {
        IntSummaryStatistics lengths =
                curriculum.stages().stream().mapToInt(Stage::seqLen).summaryStatistics();
        return "%d, rows of %d to %d: %d steps, %s tokens"
                .formatted(
                        curriculum.stages().size(),
                        lengths.getMin(),
                        lengths.getMax(),
                        curriculum.steps(),
                        count(curriculum.tokens(curriculum.steps())));
    }

    /**
     * A first prompt to try: of needles a whole question whose answer the model should know.
     *
     * @return on one line or several, without characters that a shell reads
     */
    static String prompt(Job job) {
        Stage last = job.curriculum().stages().getLast();
        if (last.task() != Stage.Task.NEEDLES || !job.tokenizer().equals("bytes")) {
            return "Once upon a time";
        }
        int length = Math.min(PROMPT_BYTES, last.seqLen());
        ByteTokenizer bytes = new ByteTokenizer();
        Row row =
                NeedleTask.test(
                                NeedleTask.Form.PLAIN,
                                bytes,
                                job.seed(),
                                length,
                                1,
                                1,
                                Double.NaN,
                                1)
                        .getFirst();
        String text = bytes.decode(row.ids());
        // From its first whole sentence to the question.
        return text.substring(text.indexOf(". ") + 2, text.indexOf("? ") + 2);
    }

    /** A count with three digits and its unit: 262 K, 1.24 B. */
    static String count(long count) {
        double shown = count;
        int unit = 0;
        while (shown >= 999.5 && unit < 4) {
            shown /= 1000;
            unit++;
        }
        int digits = unit == 0 || shown >= 99.95 ? 0 : shown >= 9.995 ? 1 : 2;
        String text = String.format(Locale.ROOT, "%." + digits + "f", shown);
        return unit == 0 ? text : text + " " + " KMBT".charAt(unit);
    }
}
