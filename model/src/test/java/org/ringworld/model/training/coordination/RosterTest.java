package org.ringworld.model.training.coordination;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.model.ring.LinkAddress;
import org.ringworld.model.training.LossPart;
import org.ringworld.model.training.TimeSpent;
import org.ringworld.model.training.TrainingStep;
import org.ringworld.model.training.coordination.Report.Held;

class RosterTest {
    private static Held held(String host, int port, String job, long step) {
        LinkAddress address = new LinkAddress(host + port, host, port, "");
        List<Report.Stepped> records = new ArrayList<>();
        for (long s = Math.max(1, step - 3); s <= step; s++) {
            records.add(
                    new Report.Stepped(
                            0,
                            1,
                            s,
                            null,
                            new TrainingStep.Outcome(List.of(new LossPart.Sums(s, 0)), 1, 1),
                            new TimeSpent(0.1, 0.1, 0, 0, 0)));
        }
        return new Held(
                new DeviceId(host + port), 2, address, "cpu", job, step, records, List.of());
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8})
    void theHighestStepWinsAndHostsAreCrossedOnce(int seed) {
        Random random = new Random(seed);
        List<Held> all = new ArrayList<>();
        for (int i = 0; i < 2 + random.nextInt(8); i++) {
            boolean holds = random.nextInt(3) > 0;
            all.add(
                    held(
                            "host" + random.nextInt(3),
                            i,
                            holds ? "job" : "another",
                            random.nextInt(3) + 5));
        }
        int size = 1 + random.nextInt(all.size());
        Roster roster = Roster.choose(all, "job", size);
        long highest =
                all.stream()
                        .filter(l -> l.job().equals("job"))
                        .mapToLong(Held::finishedStep)
                        .max()
                        .orElse(-1);
        assertThat(roster.ring()).hasSize(size).doesNotHaveDuplicates();
        assertThat(roster.step()).isEqualTo(highest);
        if (highest >= 0) {
            Held winner = roster.ring().get(roster.winner());
            assertThat(winner.finishedStep()).isEqualTo(highest);
            assertThat(winner.job()).isEqualTo("job");
        } else {
            assertThat(roster.winner()).isEqualTo(-1);
        }
        // Around the ring, the host changes at most once for each host.
        Set<String> hosts = new HashSet<>();
        int changes = 0;
        for (int rank = 0; rank < size; rank++) {
            String here = roster.ring().get(rank).address().host();
            hosts.add(here);
            changes += here.equals(roster.ring().get((rank + 1) % size).address().host()) ? 0 : 1;
        }
        assertThat(changes).isEqualTo(hosts.size() == 1 ? 0 : hosts.size());
        // Nothing depends on who answered first.
        Collections.shuffle(all, random);
        assertThat(Roster.choose(all, "job", size)).isEqualTo(roster);
    }

    @Test
    void theWinnerTellsOfTheStepsThatWereNotWrittenDown() {
        Roster roster =
                Roster.choose(List.of(held("a", 1, "job", 8), held("a", 2, "job", 7)), "job", 2);
        assertThat(roster.behind()).isTrue();
        assertThat(roster.recordsAfter(6).stream().map(Report.Stepped::step).toList())
                .containsExactly(7L, 8L);
        assertThat(roster.recordsAfter(8)).isEmpty();
    }
}
