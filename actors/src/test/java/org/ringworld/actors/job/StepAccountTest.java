package org.ringworld.actors.job;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.device.RingProtocol.Held;
import org.ringworld.actors.links.LinkAddress;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.model.training.StepMetrics;
import org.ringworld.model.training.TimeSpent;
import org.ringworld.model.training.TrainingStep;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobData;
import org.ringworld.model.training.job.OpenJob;
import org.ringworld.runtime.DType;
import org.ringworld.tokenizer.ByteTokenizer;

class StepAccountTest {
    @TempDir private Path directory;
    private OpenJob hosted;
    private Fence fence;
    private StepAccount account;

    @BeforeEach
    void open() throws Exception {
        Job job = Jobs.job(directory, 2, "zigzag", DType.F32, 9, Jobs.stage(24, 20, 1e-3, 1));
        hosted = new OpenJob("job", job, JobData.open(job, new ByteTokenizer()));
        fence = Fence.claim(directory);
        account = new StepAccount(hosted, 1e12);
    }

    @AfterEach
    void close() throws Exception {
        account.close();
        hosted.close();
    }

    private static DeviceActor.Stepped stepped(int rank, long step) {
        return new DeviceActor.Stepped(
                rank,
                1,
                step,
                new TrainingStep.Outcome(step, 0, 1),
                new TimeSpent(0.25, 0.5, 0, 0, 0));
    }

    /** A ring of one that has finished {@code step} and can tell of it and those before it. */
    private static Roster ring(long from, long step) {
        List<DeviceActor.Stepped> records =
                LongStream.rangeClosed(from, step).mapToObj(s -> stepped(0, s)).toList();
        LinkAddress address = new LinkAddress("p", "", 0, "");
        Held left = new Held(null, 1, address, "cpu", "job", step, records);
        return new Roster(List.of(left), 0, step, false);
    }

    private List<StepMetrics> goOn(Roster roster, long step) throws Exception {
        return account.goOn(
                roster,
                step,
                fence,
                line -> {
                    throw new AssertionError("told of " + line);
                });
    }

    private List<Long> written() throws Exception {
        List<Long> steps = new ArrayList<>();
        for (String line : Files.readAllLines(directory.resolve("metrics.jsonl"))) {
            steps.add(Long.parseLong(line.replaceAll("^\\{\"step\":(\\d+),.*", "$1")));
        }
        return steps;
    }

    private void finish(long step) throws Exception {
        List<DeviceActor.Stepped> all = account.answered(stepped(0, step), 1);
        account.finish(account.line(all, 1, 0.1));
    }

    @Test
    void twoStepsAreOnTheirWayAtMost() throws Exception {
        assertThat(account.isOpen()).isFalse();
        goOn(new Roster(List.of(), -1, -1, false), 0);
        assertThat(account.isOpen()).isTrue();
        assertThat(account.isIdle()).isTrue();
        assertThat(account.send(20)).isEqualTo(1);
        assertThat(account.send(20)).isEqualTo(2);
        assertThat(account.send(20)).isEqualTo(-1);
        assertThat(account.isIdle()).isFalse();
        finish(1);
        assertThat(account.finished()).isEqualTo(1);
        assertThat(account.send(2)).as("not past the last").isEqualTo(-1);
        assertThat(account.send(20)).isEqualTo(3);
    }

    @Test
    void aStepIsOverWhenAllRanksHaveAnswered() throws Exception {
        goOn(new Roster(List.of(), -1, -1, false), 0);
        account.send(20);
        account.send(20);
        // One rank may be a whole step ahead.
        assertThat(account.answered(stepped(2, 1), 3)).isNull();
        assertThat(account.answered(stepped(2, 2), 3)).isNull();
        assertThat(account.answered(stepped(0, 1), 3)).isNull();
        assertThat(account.answered(stepped(1, 1), 3))
                .extracting(DeviceActor.Stepped::rank)
                .containsExactly(0, 1, 2);
        assertThat(account.isIdle()).isFalse();
        assertThat(account.answered(stepped(1, 2), 3)).isNull();
        assertThat(account.answered(stepped(0, 2), 3))
                .extracting(DeviceActor.Stepped::step)
                .containsExactly(2L, 2L, 2L);
        assertThat(account.isIdle()).isTrue();
    }

    @Test
    void whatASurvivorHasFinishedIsWrittenOnceAndTold() throws Exception {
        goOn(new Roster(List.of(), -1, -1, false), 0);
        account.send(20);
        finish(1);
        List<Long> told = new ArrayList<>();
        assertThat(account.goOn(ring(1, 3), 3, fence, line -> told.add(line.step()))).isNull();
        assertThat(told).containsExactly(2L, 3L);
        assertThat(account.finished()).isEqualTo(3);
        assertThat(account.send(20)).isEqualTo(4);
        finish(4);
        assertThat(written()).containsExactly(1L, 2L, 3L, 4L);
    }

    /** A coordinator that succeeds one that was lost reads what that one had written. */
    @Test
    void aSuccessorGoesOnWithTheFile() throws Exception {
        goOn(new Roster(List.of(), -1, -1, false), 0);
        account.send(20);
        account.send(20);
        finish(1);
        finish(2);
        account.close();
        account = new StepAccount(hosted, 1e12);
        assertThat(goOn(ring(1, 4), 4))
                .extracting(StepMetrics::step)
                .containsExactly(1L, 2L, 3L, 4L);
        assertThat(written()).containsExactly(1L, 2L, 3L, 4L);
    }

    @Test
    void stepsPastTheStateThatWasFoundAreDroppedAndDoneAgain() throws Exception {
        goOn(new Roster(List.of(), -1, -1, false), 0);
        for (long step = 1; step <= 5; step++) {
            account.send(20);
            finish(step);
        }
        assertThat(goOn(new Roster(List.of(), -1, -1, false), 3))
                .extracting(StepMetrics::step)
                .containsExactly(1L, 2L, 3L);
        assertThat(account.finished()).isEqualTo(3);
        assertThat(account.send(20)).isEqualTo(4);
        assertThat(written()).containsExactly(1L, 2L, 3L);
    }
}
