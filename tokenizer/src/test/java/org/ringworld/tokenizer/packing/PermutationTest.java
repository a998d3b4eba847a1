package org.ringworld.tokenizer.packing;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PermutationTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 13, 64, 207, 4098})
    void everyPlaceIsTakenOnceAndTheKeyMatters(int n) {
        Set<Long> seen = new HashSet<>();
        int moved = 0;
        for (int i = 0; i < n; i++) {
            long at = new Permutation(n, 1).at(i);
            assertThat(at).isBetween(0L, n - 1L);
            seen.add(at);
            moved += at == new Permutation(n, 2).at(i) ? 0 : 1;
        }
        assertThat(seen).hasSize(n);
        assertThat(n < 10 || moved > n / 2).isTrue();
    }
}
