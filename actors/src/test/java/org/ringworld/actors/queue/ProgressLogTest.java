package org.ringworld.actors.queue;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.ringworld.actors.job.Jobs;
import org.ringworld.model.training.StepMetrics;
import org.ringworld.model.training.TimeSpent;
import org.ringworld.model.training.coordination.DeviceId;
import org.ringworld.model.training.coordination.Progress;
import org.ringworld.model.training.job.Probe;
import tools.jackson.databind.json.JsonMapper;

/** What those hear who follow a job from another process. */
class ProgressLogTest {
    private static final StepMetrics STEP =
            new StepMetrics(
                    9,
                    1,
                    4,
                    2.5,
                    Double.NaN,
                    1e-3,
                    0.75,
                    33,
                    512,
                    500,
                    1e4,
                    0.5,
                    7,
                    6,
                    0.25,
                    0.125,
                    List.of(new StepMetrics.Part("books", "vision", 0.5, 0.25, 9)),
                    "2026-01-02T03:04:05.678Z");

    /** One of each kind. */
    private static final List<Progress> ALL =
            List.of(
                    new Progress.Regrouping(List.of(new DeviceId("pekko://r@h:1/d#2"))),
                    new Progress.Waiting(1, 2),
                    new Progress.Formed(4, 2, "cpu", 8, null),
                    new Progress.StageBegun(1, Jobs.stage(24, 3, 1e-3, 1)),
                    new Progress.Stepped(
                            STEP,
                            List.of(new Progress.RankTime("d", new TimeSpent(1, 2, 3, 4, 5)))),
                    new Progress.Straggler("d", 1.5),
                    new Progress.Evaluating(1, 3),
                    new Progress.Evaluated(
                            -1,
                            12,
                            List.of(
                                    new Probe.Result(
                                            new Probe.Needles(1), 64, Double.NaN, 8, 7, 0.5))),
                    new Progress.Examined(1, 2, 0.5, 0.9, true, List.of(1, 3)),
                    new Progress.Copied(9, 0.5),
                    new Progress.NotSaved("no room", 9),
                    new Progress.Saved(Path.of("/runs/a/snapshots/step-9"), 9),
                    new Progress.Completed(Path.of("/runs/a/final")),
                    new Progress.Interrupted(0, null),
                    new Progress.Failed("no \"room\"", 9, Path.of("/runs/a/snapshots/step-9")));

    @Test
    void allThatAJobTellsIsTheSameAsJson() {
        for (Progress one : ALL) {
            String json = JsonMapper.shared().valueToTree(one).toString();
            assertThat(JsonMapper.shared().readValue(json, Progress.class)).isEqualTo(one);
        }
        List<Class<?>> kinds =
                Arrays.stream(Progress.class.getDeclaredClasses())
                        .filter(Progress.class::isAssignableFrom)
                        .toList();
        assertThat(ALL)
                .extracting(Object::getClass)
                .containsExactlyInAnyOrderElementsOf(List.copyOf(kinds));
    }

    @Test
    void whoHeardOneLeaderGoesOnWithTheNext() {
        ProgressLog first = new ProgressLog(3);
        for (int i = 1; i <= 5; i++) {
            first.add("1-a", new Progress.Waiting(i, 9));
            first.add("2-b", new Progress.Evaluating(i, 9));
        }
        List<ProgressLog.Entry> all = first.after(0, "1-a");
        assertThat(all).extracting(ProgressLog.Entry::progress).hasSize(5);
        long heard = all.get(2).number();
        assertThat(first.after(heard, "1-a"))
                .extracting(ProgressLog.Entry::progress)
                .containsExactly(new Progress.Waiting(4, 9), new Progress.Waiting(5, 9));
        ProgressLog next = new ProgressLog(4);
        assertThat(next.after(heard, "1-a")).isEmpty();
        next.add("1-a", new Progress.Waiting(6, 9));
        assertThat(next.after(all.getLast().number(), "1-a"))
                .extracting(ProgressLog.Entry::progress)
                .containsExactly(new Progress.Waiting(6, 9));
    }

    @Test
    void neitherThingsNorStepsOnRecordAreKeptForEver() {
        ProgressLog log = new ProgressLog(1);
        log.add("1-a", new Progress.Formed(4, 2, "cpu", 8, List.of(STEP)));
        assertThat(log.after(0, "1-a").getFirst().progress())
                .isEqualTo(new Progress.Formed(4, 2, "cpu", 8, List.of()));
        for (int i = 0; i < 10_000; i++) {
            log.add("1-a", new Progress.Waiting(i, 9));
        }
        List<ProgressLog.Entry> kept = log.after(0, "1-a");
        assertThat(kept).hasSizeBetween(1000, 9999);
        assertThat(kept.getLast().progress()).isEqualTo(new Progress.Waiting(9999, 9));
    }
}
