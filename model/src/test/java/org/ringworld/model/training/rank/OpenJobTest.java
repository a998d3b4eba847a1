package org.ringworld.model.training.rank;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.ringworld.model.attention.RankBatch;
import org.ringworld.model.attention.RingShares;
import org.ringworld.model.training.RankPlan;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobData;
import org.ringworld.model.training.job.JobFile;
import org.ringworld.model.training.job.JobReader;
import org.ringworld.tokenizer.Tokenizer;

class OpenJobTest {
    private static final RingShares EVEN = RingShares.even(3);

    private static OpenJob open() throws Exception {
        String text =
                """
                output = out
                ring.size = 3
                device.threads = 1
                model { hiddenSize = 16, headDim = 8, intermediateSize = 24 }
                stages = [{ task = needles, seqLen = 256, steps = 6 }]
                """;
        Job job = JobReader.read(JobFile.resolve(ConfigFactory.parseString(text), List.of()), 3);
        return new OpenJob("job", job, JobData.open(job, Tokenizer.of(job.tokenizer())));
    }

    @Test
    void ranksOfOneProcessShareTheRowsOfAStepAndEachHasItsOwnPlan() throws Exception {
        try (OpenJob job = open()) {
            RankPlan first = job.plan(2, List.of(), 0, EVEN).get();
            RankPlan last = job.plan(2, List.of(), 2, EVEN).get();
            assertThat(job.plan(2, List.of(), 2, EVEN).get()).isSameAs(last);
            assertThat(last.step()).isSameAs(first.step());
            RankBatch of = last.parts().getFirst();
            assertThat(of.rank()).isEqualTo(2);
            assertThat(of.all()).isSameAs(first.parts().getFirst().all());
            assertThat(of.plan()).isSameAs(first.parts().getFirst().plan());
        }
    }

    @Test
    void aBatchOfUnseenRowsIsCutForItsRank() throws Exception {
        try (OpenJob job = open()) {
            RankBatch batch = job.batch(0, 0, 1, EVEN).get();
            assertThat(batch.rank()).isEqualTo(1);
            assertThat(job.batch(0, 0, 1, EVEN).get()).isSameAs(batch);
            assertThat(job.batch(0, 0, 2, EVEN).get().all()).isSameAs(batch.all());
        }
    }
}
