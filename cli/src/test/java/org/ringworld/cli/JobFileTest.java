package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.Config;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.cli.train.TrainCommand;
import org.ringworld.model.attention.CausalMask;
import org.ringworld.model.attention.RingShares;
import org.ringworld.model.training.Curriculum;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobFile;
import org.ringworld.model.training.job.JobReader;
import org.ringworld.model.training.job.JobText;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.runtime.DeviceSpec;

class JobFileTest {
    @TempDir private Path directory;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "output=runs/x",
                "output=/a:b,c d/e",
                "output=\"with \\\"quotes\\\", commas = and { braces }\"",
                "data.path=${x",
                "seed=7",
                "stages.5.mix=[]",
                "stages.2.optimizer.learningRate=1e-3",
                "stages.0.name=\"a, b\"",
                "model.preset=debug",
                "data.fields=[question],answer",
                "data.fields=[\"[a],b\",c]",
                "data.fieldWeights.answer=2",
                "data.sources=[{path=a,weight=7},{path=b,weight=3,packing=pad}]",
                "stages.1.data.path=books",
                "stages.1.data.sources=[{path=a}]"
            })
    void theJobThatIsKeptIsTheJobThatRan(String override) throws Exception {
        Config job = JobFile.resolve(TrainCommand.defaultJob(), List.of(override));
        Path kept = directory.resolve("job.conf");
        Files.writeString(kept, JobText.render(job));
        Config again = JobFile.resolve(JobFile.read(kept), List.of());
        assertThat(JobText.differences(again, job)).isEmpty();
        assertThat(again.getString("output").isEmpty()).isFalse();
        assertThat(again.getValue("output")).isEqualTo(job.getValue("output"));
    }

    @Test
    void anOverrideOfAListElementChangesThatElementAlone() {
        Config usual = JobFile.resolve(TrainCommand.defaultJob(), List.of());
        Config job = JobFile.resolve(TrainCommand.defaultJob(), List.of("stages.1.steps=9"));
        assertThat(JobText.differences(usual, job))
                .containsExactly("stages.1.steps (there 500, here 9)");
    }

    /** On four cores; what is kept beside the results is read again. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "seed = 1 | seed=2 | 2 2",
                "devices = [cpu] | seed=2 | 4",
                "devices = [{cpu{threads=3}}, cpu, {cpu{}}] | seed=2 | 3 1 1",
                "ring.size = 4, device.threads = 3 | devices=[cpu,cpu] | 2 2",
                "ring { size = 3, minSize = 2 } | devices=[{cpu{threads=5}}] | 5",
                "devices = [cpu] | ring.size=4 | 1 1 1 1",
                "devices = [cpu] | ring={size=3} | 1 1 1",
                "devices = [cpu] | device.threads=3 | 3 3",
                "devices = [{cpu{threads=3}},cpu] | devices.1.cpu.threads=5 | 3 5",
                "devices = [cpu] | devices=null | 2 2",
                "ring.size = ${seed}, seed = 3 | devices=[cpu] | 4",
                "ring.size = ${seed}, seed = 3 | seed=1 | 4"
            })
    void devicesThatTheCommandLineGivesReplaceTheFiles(String text, String typed, String threads)
            throws Exception {
        Path file = directory.resolve("job.conf");
        Files.writeString(file, text + "\nstages = [{ seqLen = 64, steps = 1 }]");
        Config config = JobFile.resolve(JobFile.read(file), List.of(typed));
        Path kept = directory.resolve("kept.conf");
        Files.writeString(kept, JobText.render(config));
        for (Config job : List.of(config, JobFile.resolve(JobFile.read(kept), List.of()))) {
            assertThat(JobReader.read(job, 4).devices().stream().map(d -> "" + d.threads()))
                    .containsExactly(threads.split(" "));
        }
    }

    @ParameterizedTest
    @CsvSource({"ring.size", "device.threads"})
    void aJobThatGivesItsDevicesTwiceIsRefused(String key) throws Exception {
        Path file = directory.resolve("job.conf");
        Files.writeString(file, "devices = [cpu, cpu]\n" + key + " = 2");
        for (List<String> typed : List.of(List.<String>of(), List.of("devices=[cpu]"))) {
            assertThatThrownBy(() -> JobFile.resolve(JobFile.read(file), typed))
                    .isInstanceOf(UsageException.class)
                    .hasMessageStartingWith("the job gives devices and " + key)
                    .hasMessageContaining("for example devices = [cpu,");
        }
    }

    @Test
    void aDeviceHasTheMemoryThatTheJobGivesIt() {
        Config config =
                JobFile.resolve(
                        TrainCommand.defaultJob(),
                        List.of("devices=[{cpu{threads=2,memory=8 GiB}},cpu]"));
        assertThat(JobReader.read(config, 2).devices())
                .containsExactly(new DeviceSpec.Cpu(2, 8L << 30), new DeviceSpec.Cpu(1));
    }

    @ParameterizedTest
    @CsvSource({"seed=1, AUTO", "ring.shares=auto, AUTO", "ring.shares=even, EVEN"})
    void sharesGoByKindOfDeviceUnlessTheyAreToBeEven(String typed, RingShares.Choice shares) {
        Config config = JobFile.resolve(TrainCommand.defaultJob(), List.of(typed));
        assertThat(JobReader.read(config, 2).shares()).isEqualTo(shares);
    }

    @Test
    void aValueThatIsNotHoconIsAString() {
        Config job = JobFile.resolve(TrainCommand.defaultJob(), List.of("output=/a:b:c"));
        assertThat(job.getString("output")).isEqualTo("/a:b:c");
    }

    @Test
    void aStageHasTheJobsOptimizerWhereItSaysNothing() {
        Config config =
                JobFile.resolve(
                        TrainCommand.defaultJob(),
                        List.of(
                                "optimizer.learningRate=0.5",
                                "stages.0.optimizer.learningRate=0.25"));
        Job job = JobReader.read(config, 2);
        assertThat(job.curriculum().stages().get(0).optimizer().learningRate().peak())
                .isEqualTo(0.25);
        assertThat(job.curriculum().stages().get(1).optimizer().learningRate().peak())
                .isEqualTo(0.5);
    }

    @Test
    void aPresetGivesTheSizesThatTheJobDoesNot() {
        Config job =
                JobFile.resolve(
                        TrainCommand.defaultJob().withoutPath("model"),
                        List.of("model.preset=1b", "model.numLayers=3"));
        assertThat(job.getInt("model.hiddenSize")).isEqualTo(2048);
        assertThat(job.getInt("model.numLayers")).isEqualTo(3);
    }

    @Test
    void tokensMayStandInsteadOfSteps() {
        Config config =
                JobFile.resolve(
                        TrainCommand.defaultJob(),
                        List.of("stages=[{task=copy,seqLen=64,tokens=1e6,tokensPerStep=1024}]"));
        assertThat(JobReader.read(config, 2).curriculum().steps()).isEqualTo(977);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "D//books/b.txt",
                "a#b.txt",
                "s3://bucket/a.txt",
                "a b//c",
                "x\ny = z",
                "x, seed = 9",
                "x]\nseed = [9",
                "a\\b",
                "it's",
                " ",
                "\n",
                "# all of it",
                "//host/share",
                "include \"x.conf\"",
                "a }",
            })
    void aTypedTextIsNeverCutOrReadInHalf(String text) {
        Config job = JobFile.resolve(TrainCommand.defaultJob(), List.of("data.separator=" + text));
        assertThat(job.getString("data.separator")).isEqualTo(text);
        assertThat(job.getInt("seed")).isEqualTo(1);
    }

    @Test
    void commentMarksInsideOfAListArePartOfItsValues() {
        Config job =
                JobFile.resolve(
                        TrainCommand.defaultJob(),
                        List.of("data.sources=[{path=D//a#1.txt,weight=7},{path=\"E//b\"}]"));
        assertThat(job.getConfigList("data.sources"))
                .extracting(source -> source.getString("path"))
                .containsExactly("D//a#1.txt", "E//b");
    }

    @Test
    void aTildeIsTheHomeDirectoryInEveryPath() {
        Config job =
                JobFile.resolve(
                        TrainCommand.defaultJob(),
                        List.of(
                                "output=~/x",
                                "model.path=~/m",
                                "stages.1.data.path=~/d",
                                "data.sources=[{path=~/s}]"));
        String home = System.getProperty("user.home");
        assertThat(job.getString("output")).isEqualTo(home + "/x");
        assertThat(job.getString("model.path")).isEqualTo(home + "/m");
        assertThat(job.getConfigList("stages").get(1).getString("data.path"))
                .isEqualTo(home + "/d");
        assertThat(job.getConfigList("data.sources").getFirst().getString("path"))
                .isEqualTo(home + "/s");
        assertThatThrownBy(
                        () ->
                                JobFile.resolve(
                                        TrainCommand.defaultJob(), List.of("output=~other/x")))
                .isInstanceOf(UsageException.class)
                .hasMessageContaining("~other/x");
    }

    @ParameterizedTest
    @CsvSource({"64,1000,100", "64,1000,64", "100,12345,250", "64,64,1000", "7,1,3"})
    void aStageOfSoManyTokensTrainsOnThemAll(int seqLen, long tokens, long tokensPerStep) {
        Config config =
                JobFile.resolve(
                        TrainCommand.defaultJob(),
                        List.of(
                                "stages=[{task=copy,seqLen=%d,tokens=%d,tokensPerStep=%d}]"
                                        .formatted(seqLen, tokens, tokensPerStep)));
        Curriculum curriculum = JobReader.read(config, 2).curriculum();
        long steps = curriculum.steps();
        assertThat(curriculum.tokens(steps)).isGreaterThanOrEqualTo(tokens);
        assertThat(curriculum.tokens(steps - 1)).isLessThan(tokens);
    }

    @Test
    void theWholeConfigurationNamesEveryKeyAndIsAJob() throws Exception {
        Config job = JobFile.resolve(TrainCommand.defaultJob(), List.of());
        String whole = JobText.renderWhole(job);
        assertThat(whole).contains("microBatches=1", "continue = null", "modalityWeights=false");
        Path file = Files.writeString(directory.resolve("whole.conf"), whole);
        assertThat(JobText.differences(JobFile.resolve(JobFile.read(file), List.of()), job))
                .isEmpty();
    }

    @Test
    void attentionIsAWordOrAnObject() {
        String stages = "stages=[{seqLen=64,steps=1}]";
        assertThat(JobReader.read(stages).mask()).isEqualTo(CausalMask.CAUSAL);
        assertThat(JobReader.read(stages, "attention.blockCausal.size=16").mask())
                .isEqualTo(new CausalMask(16));
        for (String wrong :
                List.of(
                        "attention=full",
                        "attention.blockCausal=3",
                        "attention={blockCausal{size=0}}",
                        "attention={blockCausal{size=4},window{size=9}}")) {
            assertThatThrownBy(() -> JobReader.read(stages, wrong))
                    .isInstanceOf(UsageException.class)
                    .hasMessageContaining("attention");
        }
    }
}
