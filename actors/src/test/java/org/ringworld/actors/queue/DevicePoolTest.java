package org.ringworld.actors.queue;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class DevicePoolTest {
    private final DevicePool<String> pool = new DevicePool<String>(Comparator.naturalOrder());

    @Test
    void jobsAreGivenWhatIsFreeUpToTheirSize() {
        pool.list(List.of("c", "a", "b"));
        assertThat(pool.free()).containsExactly("a", "b", "c");
        assertThat(pool.assign("1", 2).orElseThrow().devices()).containsExactly("a", "b");
        assertThat(pool.assign("2", 2).orElseThrow().devices()).containsExactly("c");
        assertThat(pool.assign("1", 2)).as("nothing changes").isEmpty();
        assertThat(pool.holder("c")).contains("2");
        pool.giveBack("1");
        assertThat(pool.assign("2", 2).orElseThrow().devices()).containsExactly("c", "a");
        assertThat(pool.free()).containsExactly("b");
    }

    @Test
    void whoIsLostIsReplacedAtOnceAndWhoLeavesGracefully() {
        pool.list(List.of("a", "b", "c", "d"));
        pool.assign("1", 2);
        pool.drain(List.of("a"));
        assertThat(pool.assign("1", 2)).contains(new DevicePool.Change<>(List.of("b", "c"), true));
        assertThat(pool.isDraining("a")).isTrue();
        assertThat(pool.free()).as("who leaves is given to nobody").containsExactly("d");
        pool.takeOut("b"::equals);
        assertThat(pool.assign("1", 2)).contains(new DevicePool.Change<>(List.of("c", "d"), false));
        pool.list(List.of("a", "d"));
        assertThat(pool.present()).containsExactly("a", "d");
        assertThat(pool.assign("1", 2)).contains(new DevicePool.Change<>(List.of("d"), false));
    }

    /** Whoever is taken out and found again under the same name is another one. */
    @Test
    void whoWasTakenOutIsPresentAgainOnlyWhenFoundAnew() {
        pool.list(List.of("a"));
        pool.takeOut("a"::equals);
        assertThat(pool.present()).isEmpty();
        pool.list(List.of());
        pool.list(List.of("a"));
        assertThat(pool.present()).containsExactly("a");
    }

    @Test
    void nobodyHasWhatAnotherHasWhateverHappens() {
        Random random = new Random(1);
        Set<String> live = new HashSet<>();
        Set<String> leaving = new HashSet<>();
        Map<String, Integer> sizes = new HashMap<>();
        IntStream.range(0, 5).forEach(i -> sizes.put("job-" + i, 1 + i));
        for (int event = 0; event < 20_000; event++) {
            String device = "d" + random.nextInt(12);
            switch (random.nextInt(5)) {
                case 0 -> live.add(device);
                case 1 -> live.remove(device);
                case 2 -> {
                    pool.drain(List.of(device));
                    leaving.add(device);
                }
                case 3 -> pool.takeOut(device::equals);
                default -> pool.giveBack("job-" + random.nextInt(5));
            }
            pool.list(live);
            sizes.forEach(pool::assign);
            Set<String> given = new HashSet<>();
            sizes.forEach(
                    (job, size) -> {
                        List<String> has = pool.of(job);
                        assertThat(has).hasSizeLessThanOrEqualTo(size);
                        assertThat(has).noneMatch(given::contains);
                        assertThat(pool.present()).containsAll(has);
                        assertThat(has).noneMatch(leaving::contains);
                        given.addAll(has);
                    });
            boolean wanting =
                    sizes.entrySet().stream()
                            .anyMatch(e -> pool.of(e.getKey()).size() < e.getValue());
            assertThat(!wanting || pool.free().isEmpty()).as("none idle, none waiting").isTrue();
        }
    }
}
