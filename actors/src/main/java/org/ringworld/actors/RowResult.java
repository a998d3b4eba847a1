package org.ringworld.actors;

import java.util.List;
import java.util.Map;
import org.ringworld.model.MicroBatch;
import org.ringworld.model.SequenceBlock;
import org.ringworld.tokenizer.Row;

/**
 * What a ring made of one row, in the order of the input.
 *
 * @param logits [seq · V]
 * @param loss Σ w·ce / Σ w in nats; 0 where no target has weight
 * @param gradients by the weights' names; empty where none were asked for
 */
public record RowResult(float[] logits, double loss, Map<String, float[]> gradients) {
    static RowResult of(
            Row row, MicroBatch batch, List<DeviceActor.Forwarded> ranks, int vocabSize) {
        float[] logits = new float[Math.multiplyExact(row.ids().length, vocabSize)];
        double lossSum = 0;
        Map<String, float[]> gradients = Map.of();
        for (DeviceActor.Forwarded rank : ranks) {
            lossSum += rank.lossSum();
            SequenceBlock block = batch.blocks().get(rank.rank());
            for (int i = 0; i < block.length(); i++) {
                int place = block.places()[i];
                if (place >= 0) {
                    System.arraycopy(
                            rank.logits(), i * vocabSize, logits, place * vocabSize, vocabSize);
                }
            }
            gradients = rank.gradients().isEmpty() ? gradients : rank.gradients();
        }
        double weight = batch.targetWeight();
        return new RowResult(logits, weight == 0 ? 0 : lossSum / weight, gradients);
    }
}
