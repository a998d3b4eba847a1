package org.ringworld.tokenizer.packing;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class RowTest {
    @Test
    void whatCannotBeIsNamed() {
        int[] one = {1};
        float[] w = {1};
        assertThatThrownBy(() -> new Row(one, one, one, one, new float[2]))
                .hasMessageContaining("2 weights");
        assertThatThrownBy(() -> new Row(new int[] {-1}, one, one, one, w))
                .hasMessageContaining("token 0 of a row has the id -1");
        assertThatThrownBy(() -> new Row(one, one, one, new int[] {-100}, w))
                .hasMessageContaining("weight 1.0");
        assertThatThrownBy(() -> new Row(one, one, one, new int[] {-7}, new float[1]))
                .hasMessageContaining("target -7");
        assertThatThrownBy(() -> new Row(one, one, new int[] {-1}, one, w))
                .hasMessageContaining("target of padding");
        assertThatThrownBy(() -> new Row(one, one, one, one, new float[] {Float.NaN}))
                .hasMessageContaining("weight NaN");
    }
}
