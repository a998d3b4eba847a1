package org.ringworld.model.training.job;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigValue;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.ringworld.tokenizer.suites.Suite;
import org.ringworld.tokenizer.suites.Task;

/** Reads the {@code evaluate} of stages. */
final class ExamReader {
    private ExamReader() {}

    /** Those of a job, by their stages. */
    static Map<Integer, StageExam> read(Config config) {
        Map<Integer, StageExam> exams = new TreeMap<>();
        ConfigValue usual = JobFile.usualStage(config).getValue("evaluate");
        List<? extends Config> given = config.getConfigList("stages");
        for (int i = 0; i < given.size(); i++) {
            try {
                if (!given.get(i).getIsNull("evaluate.suite")) {
                    exams.put(i, exam(given.get(i)));
                } else if (!given.get(i).getValue("evaluate").equals(usual)) {
                    throw new UsageException("evaluate.suite is missing: what is to be asked");
                }
            } catch (UsageException | ConfigException e) {
                throw new UsageException("stages.%d.%s".formatted(i, e.getMessage()));
            }
        }
        return exams;
    }

    private static StageExam exam(Config stage) {
        String title = stage.getString("evaluate.suite");
        boolean isNeedles = title.equals("needles");
        if (!isNeedles && !Suite.isTitle(title)) {
            throw new UsageException(
                    "evaluate.suite = %s is not one of needles, %s"
                            .formatted(title, String.join(", ", Suite.titles())));
        }
        List<String> tasks = stage.getStringList("evaluate.tasks");
        Path texts = JobReader.path(stage, "evaluate.texts");
        if (isNeedles && !(tasks.isEmpty() && texts == null)) {
            throw new UsageException("evaluate.tasks and texts are of suites, not of needles");
        }
        double advance =
                stage.getIsNull("evaluate.advance") ? 0 : stage.getDouble("evaluate.advance");
        if (!(advance >= 0 && advance <= 1)) {
            throw new UsageException("evaluate.advance = " + advance + " is not in 0 to 1");
        }
        return new StageExam(
                isNeedles ? null : Suite.of(title),
                isNeedles ? List.of() : tasks(Suite.of(title), tasks),
                JobReader.positive(stage, "evaluate.documents"),
                texts,
                advance,
                JobReader.positive(stage, "evaluate.times"));
    }

    private static List<Task> tasks(Suite suite, List<String> names) {
        try {
            return suite.tasks(names);
        } catch (IllegalArgumentException e) {
            throw new UsageException("evaluate.tasks: " + e.getMessage());
        }
    }
}
