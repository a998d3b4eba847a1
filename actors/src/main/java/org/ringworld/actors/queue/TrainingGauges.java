package org.ringworld.actors.queue;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import org.ringworld.model.training.StepMetrics;
import org.ringworld.model.training.coordination.Progress;

/**
 * The last step of each job that this process coordinates, as gauges with the tag {@code job};
 * those of a job that is over are gone.
 */
public final class TrainingGauges {
    private final MeterRegistry registry;
    private final Map<String, Job> jobs = new HashMap<>();

    private static final class Job {
        final List<Meter> meters = new ArrayList<>();
        volatile StepMetrics last;
        volatile int devices;
    }

    /**
     * @param registry where they are shown
     */
    public TrainingGauges(MeterRegistry registry) {
        this.registry = registry;
    }

    /** A job says something. */
    void hear(String id, Progress said) {
        if (said.isLast()) {
            remove(id);
            return;
        }
        Job job = jobs.computeIfAbsent(id, _ -> new Job());
        if (said instanceof Progress.Formed formed) {
            job.devices = formed.size();
        }
        if (said instanceof Progress.Stepped stepped) {
            job.last = stepped.metrics();
            if (job.meters.isEmpty()) {
                register(id, job);
            }
        }
    }

    private void register(String id, Job job) {
        gauge(id, job, "step", "Optimizer step, from 1 through all stages", StepMetrics::step);
        gauge(id, job, "stage", "Stage, from 0", StepMetrics::stage);
        gauge(id, job, "epoch", "The ring's epoch: new after every change", StepMetrics::epoch);
        gauge(id, job, "loss", "Mean loss of the step, nats", StepMetrics::loss);
        gauge(id, job, "accuracy", "Part of the answers that were right", StepMetrics::accuracy);
        gauge(id, job, "learning.rate", "Learning rate", StepMetrics::learningRate);
        gauge(id, job, "grad.norm", "Norm of the gradient", StepMetrics::gradNorm);
        gauge(id, job, "tokens", "Tokens of the step", StepMetrics::tokens);
        gauge(
                id,
                job,
                "tokens.per.second",
                "Tokens of the step by its time",
                StepMetrics::tokensPerSecond);
        gauge(
                id,
                job,
                "flops.share",
                "Useful FLOP/s as a share of what the devices can do",
                StepMetrics::flopsShare);
        gauge(
                id,
                job,
                "wait.seconds",
                "Waiting for neighbours in the step, the mean over ranks",
                StepMetrics::secondsWait);
        job.meters.add(
                Gauge.builder("ringworld.training.devices", () -> job.devices)
                        .description("Devices of the ring")
                        .tag("job", id)
                        .register(registry));
    }

    private void gauge(
            String id, Job job, String name, String help, ToDoubleFunction<StepMetrics> of) {
        job.meters.add(
                Gauge.builder("ringworld.training." + name, () -> of.applyAsDouble(job.last))
                        .description(help)
                        .tag("job", id)
                        .register(registry));
    }

    private void remove(String id) {
        Job job = jobs.remove(id);
        if (job != null) {
            job.meters.forEach(registry::remove);
        }
    }

    /** They are coordinated elsewhere from now on. */
    void clear() {
        List.copyOf(jobs.keySet()).forEach(this::remove);
    }
}
