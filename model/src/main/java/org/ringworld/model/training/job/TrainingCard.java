package org.ringworld.model.training.job;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.ModelCard;
import org.ringworld.checkpoints.hf.ModelCard.Section;
import org.ringworld.model.training.Curriculum;
import org.ringworld.model.training.Stage;

/** What the model card of a trained model says of its training: stages, data, scores. */
public final class TrainingCard {
    /** The part of the questions that a model must get right where a length is to count. */
    private static final double EFFECTIVE = 0.85;

    private TrainingCard() {}

    /**
     * The card of the model that a stage left.
     *
     * @param config with which it is saved
     * @param scores of that model; none where it is not evaluated yet
     */
    public static ModelCard of(Job job, int stage, LlamaConfig config, List<Probe.Result> scores) {
        return new ModelCard(
                job.name(),
                config,
                List.of(
                        new Section("Stages", stages(job, stage)),
                        new Section("Data", data(job, stage)),
                        new Section("Scores", scores(config, scores))));
    }

    private static String stages(Job job, int last) {
        Curriculum curriculum = job.curriculum();
        StringBuilder text = new StringBuilder();
        String from =
                job.start() == null
                        ? "random weights"
                        : "the weights of " + ModelCard.code(job.start());
        text.append("Trained from ").append(from).append(" in %s".formatted(job.dtype()));
        text.append(", each stage from the weights and the optimizer of the one before.\n\n");
        text.append("| stage | | rows of | rotary base | steps | tokens |\n");
        text.append("| --- | --- | --- | --- | --- | --- |\n");
        for (int i = 0; i <= last; i++) {
            Stage stage = curriculum.stages().get(i);
            long before = i == 0 ? 0 : curriculum.tokens(curriculum.lastStep(i - 1));
            text.append(
                    String.format(
                            Locale.ROOT,
                            "| %d | %s | %s | %s | %,d | %,d |%n",
                            i,
                            stage.name().replace("|", "\\|"),
                            lengths(stage),
                            ModelCard.plain(stage.ropeTheta()),
                            stage.steps() * curriculum.rounds().get(i),
                            curriculum.tokens(curriculum.lastStep(i)) - before));
        }
        return text.toString();
    }

    private static String lengths(Stage stage) {
        return stage.seqLen()
                + stage.mix().stream()
                        .map(m -> String.format(Locale.ROOT, ", %d (%.3g)", m.seqLen(), m.share()))
                        .collect(Collectors.joining());
    }

    private static String data(Job job, int last) {
        StringBuilder text = new StringBuilder("| stage | source | share |\n| --- | --- | --- |\n");
        for (int i = 0; i <= last; i++) {
            Stage stage = job.curriculum().stages().get(i);
            if (stage.task() != Stage.Task.TEXT) {
                text.append("| %d | %s, made up | 100 %% |%n".formatted(i, stage.task()));
                continue;
            }
            List<StageData.Source> sources = job.data().get(i).sources();
            double all = sources.stream().mapToDouble(StageData.Source::weight).sum();
            for (StageData.Source source : sources) {
                text.append(
                        String.format(
                                Locale.ROOT,
                                "| %d | %s | %.3g %% |%n",
                                i,
                                ModelCard.code(source.path()),
                                100 * source.weight() / all));
            }
        }
        return text + "\nTokenizer: %s.\n".formatted(tokenizer(job));
    }

    private static String tokenizer(Job job) {
        return job.tokenizer().equals("bytes") ? "bytes" : ModelCard.code(Path.of(job.tokenizer()));
    }

    private static String scores(LlamaConfig config, List<Probe.Result> scores) {
        if (scores.isEmpty()) {
            return """
                   Not evaluated. To do that:

                       ./ringworld eval MODEL
                   """;
        }
        StringBuilder text = new StringBuilder();
        text.append("By the run itself, on documents that it never trained on:\n\n");
        text.append("| | tokens | documents | |\n| --- | --- | --- | --- |\n");
        for (Probe.Result result : scores) {
            text.append(
                    String.format(
                            Locale.ROOT,
                            "| %s | %d | %d | %s |%n",
                            result.kind().name(),
                            result.seqLen(),
                            result.rows(),
                            score(result)));
        }
        text.append(effective(config, scores));
        text.append("\nTo evaluate it again, on other documents:\n\n");
        commands(scores).forEach(command -> text.append("    ").append(command).append("\n"));
        return text.toString();
    }

    private static String score(Probe.Result result) {
        return switch (result.kind()) {
            case Probe.Documents _ ->
                    String.format(Locale.ROOT, "%.3f bits a token", result.bits());
            case Probe.Needles _, Probe.Answers _ ->
                    String.format(Locale.ROOT, "%.1f %% right", 100 * result.accuracy());
        };
    }

    /** Up to where one needle is found well enough, at every length that was evaluated. */
    private static String effective(LlamaConfig config, List<Probe.Result> scores) {
        int effective = 0;
        List<Probe.Result> single =
                scores.stream()
                        .filter(r -> r.kind().equals(new Probe.Needles(1)))
                        .sorted((a, b) -> Integer.compare(a.seqLen(), b.seqLen()))
                        .toList();
        if (single.isEmpty()) {
            return "";
        }
        for (Probe.Result result : single) {
            if (result.accuracy() < EFFECTIVE) {
                break;
            }
            effective = result.seqLen();
        }
        return effective == 0
                ? "%nEffective length: none, under %.0f %% of single needles are right at %d tokens.%n"
                        .formatted(100 * EFFECTIVE, single.getFirst().seqLen())
                : "%nEffective length: %d of %d tokens, up to which at least %.0f %% of single needles are right.%n"
                        .formatted(effective, config.maxPositionEmbeddings(), 100 * EFFECTIVE);
    }

    private static List<String> commands(List<Probe.Result> scores) {
        List<String> commands = new ArrayList<>();
        List<Probe.Result> texts =
                scores.stream().filter(r -> r.kind() instanceof Probe.Documents).toList();
        List<Probe.Result> needles =
                scores.stream().filter(r -> r.kind() instanceof Probe.Needles).toList();
        if (!texts.isEmpty()) {
            commands.add("./ringworld eval MODEL --text TEXTS --lengths " + lengths(texts));
        }
        if (!needles.isEmpty()) {
            commands.add("./ringworld eval MODEL --depths 1 --lengths " + lengths(needles));
        }
        return commands;
    }

    private static String lengths(List<Probe.Result> results) {
        return results.stream()
                .map(r -> "" + r.seqLen())
                .distinct()
                .collect(Collectors.joining(","));
    }
}
