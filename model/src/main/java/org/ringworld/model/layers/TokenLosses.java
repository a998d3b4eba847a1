package org.ringworld.model.layers;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.ringworld.model.attention.ModalityOrder;
import org.ringworld.model.attention.SequenceBlock;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;

/**
 * What each local token of a rank lost, on the host.
 *
 * @param ce cross-entropy in nats [S], 0 where there is no target
 * @param hits 1 where the target had the greatest logit [S]
 */
public record TokenLosses(float[] ce, int[] hits) {

    /** From the order in which the targets were scored back to the block's. */
    static TokenLosses copyOut(Device device, ModalityOrder order, Tensor ce, Tensor hits) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment floats = arena.allocate(ce.bytes(), 64);
            MemorySegment ints = arena.allocate(hits.bytes(), 64);
            device.copyOut(ce, floats);
            device.copyOut(hits, ints);
            return new TokenLosses(
                    order.restore(floats.toArray(ValueLayout.JAVA_FLOAT)),
                    order.restore(ints.toArray(ValueLayout.JAVA_INT)));
        }
    }

    /** Σ weight · ce over the rank's tokens, in F64. */
    public double weightedSum(SequenceBlock block) {
        double sum = 0;
        for (int i = 0; i < ce.length; i++) {
            sum += (double) block.weights()[i] * ce[i];
        }
        return sum;
    }
}
