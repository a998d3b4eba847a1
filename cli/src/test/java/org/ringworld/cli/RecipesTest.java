package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.training.LearningRate;
import org.ringworld.model.training.Stage;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobFile;
import org.ringworld.model.training.job.JobReader;
import org.ringworld.model.training.job.StageData;

class RecipesTest {
    private static final Path JOBS = Path.of("../examples/jobs");

    @TempDir private Path directory;

    /** The job that --print-config prints, from random weights and a file that exists. */
    private Job job(String name, String... more) throws Exception {
        Path books = Files.writeString(directory.resolve("books.jsonl"), "{}");
        List<String> keys = new ArrayList<>(List.of("model.path=null", "tokenizer=bytes"));
        keys.addAll(List.of(more));
        if (more.length == 0) {
            keys.add("data.path=" + books);
        }
        CommandLineTest.Outcome printed =
                CommandLineTest.run("train", JOBS.resolve(name), keys, "--print-config");
        assertThat(printed.code()).as(printed.err()).isZero();
        Path file = Files.writeString(directory.resolve(name), printed.out());
        return JobReader.read(JobFile.resolve(JobFile.read(file), List.of()), 2);
    }

    @Test
    void theCurriculumHasThePapersNumbers() throws Exception {
        Job job = job("lwm-text.conf");
        LlamaConfig model = job.model();
        assertThat(model.vocabSize()).isEqualTo(32000);
        assertThat(model.hiddenSize()).isEqualTo(4096);
        assertThat(model.intermediateSize()).isEqualTo(11008);
        assertThat(model.numLayers()).isEqualTo(32);
        assertThat(model.numHeads()).isEqualTo(32);
        assertThat(model.numKvHeads()).isEqualTo(32);
        assertThat(model.headDim()).isEqualTo(128);
        List<Stage> stages = job.curriculum().stages();
        assertThat(stages)
                .extracting(Stage::seqLen)
                .containsExactly(1 << 15, 1 << 17, 1 << 18, 1 << 19, 1 << 20);
        assertThat(stages).extracting(Stage::ropeTheta).containsExactly(1e6, 1e7, 1e7, 2.5e7, 5e7);
        assertThat(stages)
                .extracting(Stage::steps)
                .containsExactly(1200L, 3000L, 3000L, 720L, 450L);
        assertThat(stages).extracting(Stage::tokensPerStep).containsOnly(4L << 20);
        int[] warmup = {100, 200, 200, 50, 25};
        int[] borders = {10_000, 100_000, 200_000, 500_000, 1_000_000, Integer.MAX_VALUE};
        for (int i = 0; i < 5; i++) {
            Stage stage = stages.get(i);
            assertThat(stage.optimizer().learningRate().at(warmup[i] - 2, stage.steps()))
                    .isLessThan(4e-5);
            for (long step : new long[] {warmup[i], stage.steps() - 1}) {
                assertThat(stage.optimizer().learningRate().at(step, stage.steps()))
                        .isEqualTo(4e-5);
            }
            StageData.Source source = job.data().get(i).sources().getFirst();
            assertThat(source.packing().least()).isEqualTo(borders[i]);
            assertThat(source.packing().limit()).isEqualTo(borders[i + 1]);
        }
    }

    @ParameterizedTest
    @CsvSource({"32k,0", "128k,1", "256k,2", "512k,3", "1m,4"})
    void aStageByItselfIsThatOfTheCurriculum(String name, int stage) throws Exception {
        Job whole = job("lwm-text.conf");
        Job one = job("lwm-text-" + name + ".conf");
        assertThat(one.curriculum().stages())
                .containsExactly(whole.curriculum().stages().get(stage));
        assertThat(one.data()).containsExactly(whole.data().get(stage));
        assertThat(one.output()).isEqualTo(Path.of("runs/lwm-text-" + name));
        assertThat(one.model().hiddenSize()).isEqualTo(4096);
    }

    @ParameterizedTest
    @CsvSource({"128k,32k", "256k,128k", "512k,256k", "1m,512k"})
    void aStageByItselfGoesOnFromTheOneBefore(String name, String before) {
        CommandLineTest.Outcome printed =
                CommandLineTest.run(
                        "train", JOBS.resolve("lwm-text-" + name + ".conf"), "--print-config");
        assertThat(printed.out())
                .contains("tokenizer = runs/lwm-text-" + before + "/final")
                .contains("path=runs/lwm-text-" + before + "/final");
    }

    @Test
    void chatsAndQuestionsAreSevenToThreePackedByThemselves() throws Exception {
        Path file = Files.writeString(directory.resolve("chat.jsonl"), "{}");
        Job job =
                job("lwm-chat.conf", "data.sources.0.path=" + file, "data.sources.1.path=" + file);
        List<StageData.Source> sources = job.data().getFirst().sources();
        assertThat(sources).extracting(StageData.Source::weight).containsExactly(7.0, 3.0);
        assertThat(sources)
                .allMatch(s -> s.packing().documentWeights())
                .allMatch(s -> "fields".equals(s.fields().fromExample()));
        assertThat(job.curriculum().stages().getFirst().seqLen()).isEqualTo(1 << 20);
    }

    @ParameterizedTest
    @CsvSource({"128k,131072,1e7", "256k,262144,1e7", "512k,524288,2.5e7", "1m,1048576,5e7"})
    void aChatOfEachLengthGoesOnFromItsText(String name, int seqLen, double theta)
            throws Exception {
        String file = "lwm-chat-" + name + ".conf";
        CommandLineTest.Outcome printed =
                CommandLineTest.run("train", JOBS.resolve(file), "--print-config");
        assertThat(printed.out()).contains("path=runs/lwm-text-" + name + "/final");
        Path data = Files.writeString(directory.resolve("chat.jsonl"), "{}");
        Job job = job(file, "data.sources.0.path=" + data, "data.sources.1.path=" + data);
        Stage stage = job.curriculum().stages().getFirst();
        assertThat(job.curriculum().stages()).hasSize(1);
        assertThat(stage.seqLen()).isEqualTo(seqLen);
        assertThat(stage.ropeTheta()).isEqualTo(theta);
        assertThat(stage.steps() * stage.tokensPerStep()).isEqualTo(300L << 22);
        assertThat(job.data().getFirst().sources()).hasSize(2);
        assertThat(job.output()).isEqualTo(Path.of("runs/lwm-chat-" + name));
    }

    /** Paths of a stage's sources, in a directory of files that hold nothing yet. */
    private String[] visionData(List<String> names) throws Exception {
        List<String> keys = new ArrayList<>();
        List<List<String>> stages =
                List.of(
                        List.of("images", "books"),
                        List.of("images", "videos", "books"),
                        List.of("image-chat", "image-draw", "video-chat", "video-draw"),
                        List.of("image-chat", "image-draw", "video-chat", "video-draw"),
                        List.of("image-chat", "image-draw", "video-chat", "video-draw"));
        for (int stage = 0; stage < names.size(); stage++) {
            List<String> files = stages.get(VISION.indexOf(names.get(stage)));
            for (int i = 0; i < files.size(); i++) {
                Path file = Files.writeString(directory.resolve(files.get(i) + ".jsonl"), "{}");
                keys.add("stages.%d.data.sources.%d.path=%s".formatted(stage, i, file));
            }
        }
        return keys.toArray(String[]::new);
    }

    private static final List<String> VISION = List.of("1k", "8k", "32k", "128k", "1m");

    @Test
    void theVisionStagesHaveThePapersNumbers() throws Exception {
        Job job = job("lwm-vision.conf", visionData(VISION));
        List<Stage> stages = job.curriculum().stages();
        assertThat(stages)
                .extracting(Stage::seqLen)
                .containsExactly(1 << 10, 1 << 13, 1 << 15, 1 << 17, 1 << 20);
        assertThat(stages)
                .extracting(Stage::steps)
                .containsExactly(45000L, 14000L, 1200L, 450L, 50L);
        assertThat(stages).extracting(Stage::ropeTheta).containsOnly(5e7);
        assertThat(stages).extracting(Stage::tokensPerStep).containsOnly(8L << 20);
        int[] warmup = {1000, 500, 100, 50, 5};
        for (int i = 0; i < 5; i++) {
            LearningRate rate = stages.get(i).optimizer().learningRate();
            long steps = stages.get(i).steps();
            double peak = i < 2 ? 6e-4 : 8e-5;
            assertThat(rate.at(warmup[i], steps)).isCloseTo(peak, within(1e-3 * peak));
            assertThat(rate.at(warmup[i] - 2, steps)).isLessThan(peak);
            double last = i < 2 ? 6e-5 : 8e-5;
            assertThat(rate.at(steps - 1, steps)).isCloseTo(last, within(1e-3 * last));
            List<StageData.Source> sources = job.data().get(i).sources();
            assertThat(sources)
                    .allMatch(s -> s.packing().documentWeights() && s.packing().modalityWeights());
            assertThat(sources.stream().mapToDouble(StageData.Source::weight).sum())
                    .isEqualTo(i < 2 ? 100 : 4);
            assertThat(sources.getLast().weight()).isEqualTo(i < 2 ? 16 : 1);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "0,lwm-text",
        "1,lwm-vision-1k",
        "2,lwm-vision-8k",
        "3,lwm-vision-32k",
        "4,lwm-vision-128k"
    })
    void aVisionStageByItselfIsThatOfAllAndGoesOnFromTheOneBefore(int stage, String before)
            throws Exception {
        String name = VISION.get(stage);
        Job whole = job("lwm-vision.conf", visionData(VISION));
        String file = "lwm-vision-" + name + ".conf";
        Job one = job(file, visionData(List.of(name)));
        assertThat(one.curriculum().stages())
                .containsExactly(whole.curriculum().stages().get(stage));
        assertThat(one.data()).containsExactly(whole.data().get(stage));
        CommandLineTest.Outcome printed =
                CommandLineTest.run("train", JOBS.resolve(file), "--print-config");
        assertThat(printed.out()).contains("path=runs/" + before + "/final");
    }

    @Test
    void theSmallCurriculumHasTheSameShape() throws Exception {
        Job job = job("lwm-text-mini.conf");
        List<Stage> stages = job.curriculum().stages();
        assertThat(stages).extracting(Stage::seqLen).containsExactly(256, 512, 1024, 2048, 4096);
        assertThat(job.model().vocabSize()).isEqualTo(32000);
        int border = 0;
        for (StageData data : job.data()) {
            assertThat(data.sources().getFirst().packing().least()).isEqualTo(border);
            border = data.sources().getFirst().packing().limit();
        }
        assertThat(border).isEqualTo(Integer.MAX_VALUE);
    }
}
