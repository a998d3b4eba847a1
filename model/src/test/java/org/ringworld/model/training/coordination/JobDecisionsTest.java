package org.ringworld.model.training.coordination;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.ringworld.model.training.job.Job;

class JobDecisionsTest {
    private static final int SEQUENCES = 10_000;

    private static List<Long> upTo(long steps) {
        return LongStream.rangeClosed(1, steps).boxed().toList();
    }

    /** Losses, joins, drains, stops, lost coordinators and late answers, as chance has it. */
    @Test
    void everyStepIsDoneOnceWhateverHappens() {
        int completed = 0;
        int stopped = 0;
        int failed = 0;
        for (int seed = 0; seed < SEQUENCES; seed++) {
            try {
                Progress ended = run(seed);
                completed += ended instanceof Progress.Completed ? 1 : 0;
                stopped += ended instanceof Progress.Interrupted ? 1 : 0;
                failed += ended instanceof Progress.Failed ? 1 : 0;
            } catch (AssertionError | RuntimeException e) {
                throw new AssertionError("sequence " + seed, e);
            }
        }
        assertThat(completed).isGreaterThan(SEQUENCES / 2);
        assertThat(stopped).isGreaterThan(SEQUENCES / 20);
        assertThat(failed).isGreaterThan(SEQUENCES / 20);
    }

    private static Progress run(int seed) {
        Random random = new Random(seed);
        int ring = 1 + random.nextInt(4);
        int steps = 8 + random.nextInt(8);
        boolean examined = random.nextInt(3) == 0;
        Job job = examined ? examined(ring) : JOBS[ring - 1][steps - 8];
        long all = examined ? 2 * EXAMINED_STEPS : steps;
        SimulatedCluster cluster = new SimulatedCluster(seed, job);
        for (int i = 0; i < ring; i++) {
            cluster.come();
        }
        int faults = random.nextInt(6);
        for (int events = 0; cluster.ended() == null; events++) {
            assertThat(events).as("events, and no end").isLessThan(20_000);
            cluster.something();
            if (faults > 0 && random.nextInt(25) == 0) {
                faults--;
                fault(cluster, random);
            } else if (cluster.size() < ring && random.nextInt(40) == 0) {
                cluster.come();
            }
        }
        switch (cluster.ended()) {
            case Progress.Completed _ -> {
                assertThat(cluster.metrics()).isEqualTo(upTo(all));
                assertThat(cluster.saved()).isEqualTo(upTo(all));
                assertThat(cluster.stepsOf(0)).isEqualTo(examined ? 12 : 6);
            }
            case Progress.Interrupted(long step, var snapshot) -> {
                // One that was stopped before its ring stood does not know how far it was.
                long known = snapshot == null ? cluster.metrics().size() : step;
                assertThat(cluster.metrics()).isEqualTo(upTo(known));
                if (snapshot != null) {
                    assertThat(cluster.saved()).isEqualTo(upTo(step));
                }
            }
            case Progress.Failed(String why, long step, var snapshot) -> {
                assertThat(why).containsAnyOf("a kernel", "the disk is full");
                if (snapshot != null) {
                    assertThat(cluster.metrics()).isEqualTo(upTo(step));
                    assertThat(cluster.saved()).isEqualTo(upTo(step));
                }
            }
            default -> throw new AssertionError(cluster.ended());
        }
        return cluster.ended();
    }

    /** By ring and steps; made once, as reading one takes longer than a sequence. */
    private static final Job[][] JOBS = new Job[4][8];

    static {
        for (int ring = 1; ring <= 4; ring++) {
            for (int steps = 8; steps < 16; steps++) {
                JOBS[ring - 1][steps - 8] = SmallJob.of(ring, 1, steps, 3);
            }
        }
    }

    private static final long EXAMINED_STEPS = 8;

    /** Each stage of them must be done twice. */
    private static final Job[] EXAMINED = new Job[4];

    private static Job examined(int ring) {
        if (EXAMINED[ring - 1] == null) {
            String exam = "stages.%d.evaluate={suite=needles,advance=0.5}";
            EXAMINED[ring - 1] =
                    SmallJob.of(
                            ring, 1, (int) EXAMINED_STEPS, 3, exam.formatted(0), exam.formatted(1));
        }
        return EXAMINED[ring - 1];
    }

    private static void fault(SimulatedCluster cluster, Random random) {
        switch (random.nextInt(13)) {
            case 0, 1, 2, 3, 4 -> cluster.die();
            case 5, 6 -> cluster.come();
            case 7 -> cluster.drain();
            case 8 -> cluster.begin(true);
            case 9 -> cluster.breakSomething();
            case 10, 11 -> cluster.fillDisk(random.nextBoolean());
            default -> cluster.stop();
        }
    }
}
