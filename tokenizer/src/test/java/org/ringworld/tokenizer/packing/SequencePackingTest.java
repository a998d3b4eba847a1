package org.ringworld.tokenizer.packing;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.tokenizer.packing.SequencePacking.Document;

class SequencePackingTest {
    @ParameterizedTest
    @CsvSource({"1,13", "7,50", "16,200", "64,31", "1000,77"})
    void everyPairComesOutExactlyOnceAndInOrder(int seqLen, int count) {
        Random random = new Random(seqLen);
        List<Document> documents = new ArrayList<>();
        int next = 0;
        int pairs = 0;
        for (int d = 0; d < count; d++) {
            int n =
                    random.nextInt(3) == 0
                            ? 1 + random.nextInt(3 * seqLen + 2)
                            : 1 + random.nextInt(5);
            int[] ids = new int[n];
            float[] weights = new float[n];
            for (int i = 0; i < n; i++) {
                ids[i] = next++;
                weights[i] = ids[i] % 5;
            }
            documents.add(new Document(ids, weights));
            pairs += n - 1;
        }
        boolean[] seen = new boolean[next];
        for (Row row : SequencePacking.pack(documents, seqLen, 0)) {
            assertThat(row.length()).isEqualTo(seqLen);
            for (int i = 0; i < seqLen; i++) {
                boolean first = i == 0 || row.segments()[i] != row.segments()[i - 1];
                if (row.segments()[i] == Row.PADDING) {
                    assertThat(row.targets()[i]).isEqualTo(Row.NO_TARGET);
                    continue;
                }
                assertThat(row.positions()[i]).isEqualTo(first ? 0 : row.positions()[i - 1] + 1);
                assertThat(row.targets()[i]).isEqualTo(row.ids()[i] + 1);
                assertThat(row.weights()[i]).isEqualTo(row.targets()[i] % 5);
                assertThat(seen[row.targets()[i]]).isFalse();
                seen[row.targets()[i]] = true;
                pairs--;
            }
        }
        assertThat(pairs).isZero();
    }

    @Test
    void aDocumentThatFitsIsNotCut() {
        List<Document> documents = new ArrayList<>();
        for (int n : new int[] {17, 16, 15, 3, 2, 33}) {
            documents.add(Document.of(new int[n]));
        }
        List<Row> rows = SequencePacking.pack(documents, 16, 9);
        assertThat(rows).hasSize(5);
        assertThat(
                        rows.stream()
                                .mapToLong(
                                        r -> Arrays.stream(r.targets()).filter(t -> t >= 0).count())
                                .sum())
                .isEqualTo(80);
        assertThat(rows.get(2).segments()[13]).isZero();
        assertThat(rows.get(2).segments()[14]).isOne();
    }
}
