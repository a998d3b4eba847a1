package org.ringworld.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BlockSizesTest {
    @ParameterizedTest
    @CsvSource({
        "1024, 16777216, 260, 1024",
        "1024, 16777216, 32000, 524",
        "1024, 16777216, 8000000, 16",
        "7, 16777216, 260, 7",
        "7, 1, 260, 7",
        "1, 1, 1, 1"
    })
    void aBlockOfLogitsFitsItsMemoryOrIsSmall(int tokens, long logits, long vocab, int rows) {
        assertThat(new BlockSizes(tokens, logits).tokensOfLogits(vocab)).isEqualTo(rows);
    }
}
