package org.ringworld.model.training.rank;

import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.training.coordination.Report;
import org.ringworld.tokenizer.packing.Row;

/**
 * What a ring made of one row, in the order of the input.
 *
 * @param logits [seq · V] of the text head, and of the vision head where the row says which tokens
 *     are vision codes
 * @param loss Σ w·ce / Σ w in nats; 0 where no target has weight
 * @param gradients by the weights' names; empty where none were asked for
 */
public record RowResult(
        Map<Modality, float[]> logits, double loss, Map<String, float[]> gradients) {
    /**
     * Of what each rank made of its part.
     *
     * @param batch that row alone
     */
    public static RowResult of(Row row, MicroBatch batch, List<Report.Forwarded> ranks) {
        Map<Modality, float[]> logits = new EnumMap<>(Modality.class);
        for (Modality head : ranks.getFirst().logits().keySet()) {
            logits.put(head, inOrder(row, batch, ranks, head));
        }
        double lossSum = 0;
        Map<String, float[]> gradients = Map.of();
        for (Report.Forwarded rank : ranks) {
            lossSum += rank.lossSum();
            gradients = rank.gradients().isEmpty() ? gradients : rank.gradients();
        }
        double weight = batch.targetWeight();
        return new RowResult(logits, weight == 0 ? 0 : lossSum / weight, gradients);
    }

    private static float[] inOrder(
            Row row, MicroBatch batch, List<Report.Forwarded> ranks, Modality head) {
        // Of all ranks, for one of them may hold no token.
        long values = 0;
        long tokens = 0;
        for (Report.Forwarded rank : ranks) {
            values += rank.logits().get(head).length;
            tokens += batch.places(rank.rank()).getFirst().length;
        }
        int vocab = Math.toIntExact(values / tokens);
        float[] all = new float[Math.multiplyExact(row.length(), vocab)];
        for (Report.Forwarded rank : ranks) {
            int[] places = batch.places(rank.rank()).getFirst();
            float[] logits = rank.logits().get(head);
            for (int i = 0; i < places.length; i++) {
                if (places[i] < row.length()) {
                    System.arraycopy(logits, i * vocab, all, places[i] * vocab, vocab);
                }
            }
        }
        return all;
    }
}
