package org.ringworld.model.training.job;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.Tokenizer;

/** What a job has from the model that it starts from, where it does not say otherwise. */
public final class StartModel {
    private static final double USUAL_THETA = 1e4;

    private StartModel() {}

    /**
     * Fills in the tokenizer and the rotary base of each stage: the model's own. They are written
     * down with the job, so that it stays the same when the model is gone.
     */
    static Config fill(Config job) {
        List<? extends Config> stages = job.getConfigList("stages");
        boolean thetaOpen = stages.stream().anyMatch(stage -> stage.getIsNull("ropeTheta"));
        boolean tokenizerOpen = job.getIsNull("tokenizer");
        if (!thetaOpen && !tokenizerOpen) {
            return job;
        }
        double theta = USUAL_THETA;
        String tokenizer = "bytes";
        if (!job.getIsNull("model.path")) {
            Path path = Path.of(job.getString("model.path"));
            try (ModelFiles files = ModelFiles.open(path)) {
                theta = files.config().ropeTheta();
                if (hasTokenizer(path)) {
                    tokenizer = path.toString();
                } else if (hasTokenizer(files.directory())) {
                    tokenizer = files.directory().toString();
                }
            } catch (CheckpointException e) {
                // No job comes of it: who reads this configuration as one says what is wrong.
                tokenizer = "bytes";
            }
        }
        // As it is read again from the job that is kept.
        ConfigValue own =
                theta == Math.rint(theta) && theta < 1e15
                        ? ConfigValueFactory.fromAnyRef((long) theta)
                        : ConfigValueFactory.fromAnyRef(theta);
        Config filled =
                job.withValue(
                        "stages",
                        ConfigValueFactory.fromIterable(
                                stages.stream()
                                        .map(
                                                stage ->
                                                        stage.getIsNull("ropeTheta")
                                                                ? stage.withValue("ropeTheta", own)
                                                                : stage)
                                        .map(Config::root)
                                        .toList()));
        return tokenizerOpen
                ? filled.withValue("tokenizer", ConfigValueFactory.fromAnyRef(tokenizer))
                : filled;
    }

    private static boolean hasTokenizer(Path directory) {
        return Files.isRegularFile(directory.resolve("tokenizer.json"))
                || Files.isRegularFile(directory.resolve("tokenizer.model"));
    }

    /** What is added to the model that a job starts from; empty where nothing is. */
    public static String added(Job job) {
        try (ModelFiles files = ModelFiles.open(job.start())) {
            int tokens = job.model().vocabSize() - files.config().vocabSize();
            int vision = job.model().visionVocabSize() - files.config().visionVocabSize();
            return (tokens == 0 ? "" : added("rows for %d tokens", tokens, job.initStd()))
                    + (vision == 0 ? "" : added("vision tables of %d", vision, job.initStd()));
        } catch (CheckpointException e) {
            // It was there when the job was read; who starts from it will say what is wrong.
            return "";
        }
    }

    private static String added(String what, int count, double std) {
        return ", " + what.formatted(count) + " new: N(0, " + std + ")";
    }

    /**
     * The sizes and constants of a model to start from, with the vision tables that a job asks for
     * and the model may lack.
     *
     * @param grownTo tokenizer whose tokens it has a place for; null: the vocabulary stays
     * @throws UsageException where the model or tokenizer cannot be read, or the model has other
     *     vision tables
     */
    static LlamaConfig config(Path start, int visionVocabSize, String grownTo) {
        try (ModelFiles files = ModelFiles.open(start)) {
            LlamaConfig whole = withVision(files, start, visionVocabSize);
            return grownTo == null
                    ? whole
                    : whole.withVocabSize(
                            Math.max(whole.vocabSize(), Tokenizer.of(grownTo).vocabSize()));
        } catch (CheckpointException | DataException e) {
            throw new UsageException(e.getMessage());
        }
    }

    private static LlamaConfig withVision(ModelFiles files, Path start, int visionVocabSize) {
        int own = files.config().visionVocabSize();
        if (visionVocabSize == 0 || visionVocabSize == own) {
            return files.config();
        }
        if (own != 0) {
            throw new UsageException(
                    "model.visionVocabSize = %d, but the model at %s has %d: leave the key out"
                            .formatted(visionVocabSize, start, own));
        }
        return files.config().withVisionVocabSize(visionVocabSize);
    }
}
