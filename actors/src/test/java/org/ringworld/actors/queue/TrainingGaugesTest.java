package org.ringworld.actors.queue;

import static org.assertj.core.api.Assertions.assertThat;

import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.ringworld.model.training.StepMetrics;
import org.ringworld.model.training.coordination.Progress;

class TrainingGaugesTest {
    private final PrometheusMeterRegistry registry =
            new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    private final TrainingGauges gauges = new TrainingGauges(registry);

    private static Progress step(long step, double loss) {
        return new Progress.Stepped(
                new StepMetrics(
                        step,
                        1,
                        7,
                        loss,
                        Double.NaN,
                        1e-3,
                        0.5,
                        9,
                        64,
                        60,
                        1234.5,
                        0.25,
                        9,
                        8,
                        0.1,
                        0.2,
                        null,
                        null),
                List.of());
    }

    @Test
    void theLastStepOfEachJobIsShownUntilItIsOver() {
        gauges.hear("1-a", new Progress.Formed(7, 3, "cpu", 0, List.of()));
        assertThat(registry.scrape()).doesNotContain("ringworld");
        gauges.hear("1-a", step(1, 5.5));
        gauges.hear("1-a", step(2, 4.5));
        gauges.hear("2-b", step(8, 1.5));
        assertThat(registry.scrape())
                .contains("ringworld_training_step{job=\"1-a\"} 2.0\n")
                .contains("ringworld_training_loss{job=\"1-a\"} 4.5\n")
                .contains("ringworld_training_loss{job=\"2-b\"} 1.5\n")
                .contains("ringworld_training_accuracy{job=\"1-a\"} NaN\n")
                .contains("ringworld_training_tokens_per_second{job=\"1-a\"} 1234.5\n")
                .contains("ringworld_training_devices{job=\"1-a\"} 3.0\n");
        gauges.hear("1-a", new Progress.Completed(Path.of("final")));
        assertThat(registry.scrape()).contains("2-b").doesNotContain("1-a");
        gauges.clear();
        assertThat(registry.scrape()).doesNotContain("ringworld");
        gauges.hear("2-b", step(9, 1.25));
        assertThat(registry.scrape()).contains("ringworld_training_loss{job=\"2-b\"} 1.25\n");
    }
}
