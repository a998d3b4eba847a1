package org.ringworld.actors.queue.book;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.ringworld.model.training.coordination.Progress;

class QueuedJobTest {
    @TempDir private Path queue;

    private static QueuedJob job(int number, String name) {
        return new QueuedJob(
                number + "-" + name,
                "seed = 1 # \"é\"\n",
                "/runs/" + name,
                2,
                QueuedJob.State.QUEUED,
                "waits for devices",
                null);
    }

    @Test
    void aQueueIsReadAsItWasWrittenInTheOrderOfSubmission() throws Exception {
        QueuedJob[] jobs = {job(2, "b-3"), job(9, "a"), job(10, "a"), job(100, "c")};
        for (QueuedJob job : jobs) {
            job.write(queue);
        }
        Files.writeString(queue.resolve("5-x.job.json.tmp"), "{\"id\""); // a writer was killed
        Files.writeString(queue.resolve(".owner-7"), "somebody");
        assertThat(QueuedJob.all(queue)).containsExactly(jobs);
        assertThat(jobs[0].number()).isEqualTo(2);
    }

    @ParameterizedTest
    @EnumSource(QueuedJob.State.class)
    void whatBecameOfAJobReplacesWhatWas(QueuedJob.State state) throws Exception {
        job(1, "a").write(queue);
        QueuedJob now = job(1, "a").now(state, "so it is");
        now.write(queue);
        assertThat(QueuedJob.all(queue)).containsExactly(now);
        assertThat(now.text()).isEqualTo(job(1, "a").text());
        boolean over = state != QueuedJob.State.QUEUED && state != QueuedJob.State.RUNNING;
        assertThat(state.isOver()).isEqualTo(over);
        try (Stream<Path> files = Files.list(queue)) {
            assertThat(files).hasSize(1);
        }
    }

    @Test
    void howAJobEndedIsKept() throws Exception {
        QueuedJob failed = job(1, "a").ended(new Progress.Failed("no room", 7, Path.of("/runs/a")));
        QueuedJob done = job(2, "b").ended(new Progress.Completed(Path.of("/runs/b/final")));
        QueuedJob unbegun = job(3, "c").neverBegun();
        for (QueuedJob over : List.of(failed, done, unbegun)) {
            over.write(queue);
        }
        assertThat(QueuedJob.all(queue)).containsExactly(failed, done, unbegun);
        assertThat(failed.state()).isEqualTo(QueuedJob.State.FAILED);
        assertThat(failed.sentence()).isEqualTo("no room");
        assertThat(done.state()).isEqualTo(QueuedJob.State.DONE);
        assertThat(unbegun.state()).isEqualTo(QueuedJob.State.STOPPED);
        assertThat(unbegun.sentence()).isEqualTo("stopped before it began");
    }

    @Test
    void aDamagedJobIsNamed() throws Exception {
        job(1, "a").write(queue);
        Files.writeString(queue.resolve("2-b.job.json"), "{\"id\": \"2-b\", ");
        assertThatThrownBy(() -> QueuedJob.all(queue))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("2-b.job.json");
    }

    @Test
    void aQueueThatIsNotThereIsEmpty() throws Exception {
        assertThat(QueuedJob.all(queue.resolve("new"))).isEmpty();
    }
}
