package org.ringworld.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.model.training.job.JobFile;
import org.ringworld.model.training.job.JobText;

/** Nodes run in other directories than whoever submits. */
class SubmitCommandTest {
    private static final Path HERE = Path.of("/home/me/texts");

    private static Config submitted(String... job) {
        Config config = JobFile.resolve(ConfigFactory.parseString("name = j"), List.of(job));
        return JobText.absolute(config, HERE);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "data.path=t.txt | data.path",
                "data.path=t.txt | stages.0.data.path",
                "data.sources=[{path=t.txt,weight=7},{path=u.txt}] | data.sources.0.path",
                "data.sources=[{path=u.txt},{path=sub/../t.txt,weight=3}] | data.sources.1.path",
                "stages.0.data.path=t.txt | stages.0.data.path",
                "stages.0.data.sources=[{path=../texts/t.txt}] | stages.0.data.sources.0.path",
                "model.path=t.txt | model.path",
                "tokenizer=t.txt | tokenizer",
                "output=t.txt | output"
            })
    void everyPathIsSaidFromTheRoot(String override, String key) {
        Config job = submitted("stages=[{seqLen=64,steps=1}]", override);
        // As a node reads it, too.
        for (Config read : List.of(job, ConfigFactory.parseString(JobText.render(job)))) {
            Config whole = JobFile.resolve(read, List.of());
            Object value = whole.root().unwrapped();
            for (String part : key.split("\\.")) {
                value =
                        value instanceof List<?> list
                                ? list.get(Integer.parseInt(part))
                                : ((java.util.Map<?, ?>) value).get(part);
            }
            assertThat(value).isEqualTo("/home/me/texts/t.txt");
        }
    }

    @Test
    void whatIsNoPathStaysAsItIs() {
        Config job =
                submitted(
                        "stages=[{seqLen=64,steps=1,data={fieldWeights={path=2},fields=\"path\"}}]",
                        "data.path=/elsewhere/t.txt");
        assertThat(job.getString("tokenizer")).isEqualTo("bytes");
        assertThat(job.getIsNull("model.path")).isTrue();
        assertThat(job.getString("output")).isEqualTo("/home/me/texts/runs/j");
        assertThat(job.getString("data.path")).isEqualTo("/elsewhere/t.txt");
        Config stage = job.getConfigList("stages").getFirst();
        assertThat(stage.getInt("data.fieldWeights.path")).isEqualTo(2);
        assertThat(stage.getString("data.fields")).isEqualTo("path");
    }
}
