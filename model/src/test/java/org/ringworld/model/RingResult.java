package org.ringworld.model;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ringworld.checkpoints.LlamaConfig;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;
import org.ringworld.tokenizer.Row;

/** Forward and backward of rows through a ring, put together again in the order of the input. */
record RingResult(float[][] logits, double loss, Map<String, float[]> gradients) {

    interface Weights {
        void set(ParameterStore parameters) throws Exception;
    }

    private record Local(float[] logits, double lossSum, Map<String, float[]> gradients) {}

    static RingResult of(
            LlamaConfig config,
            Weights weights,
            DType dtype,
            Row row,
            Layout layout,
            int size,
            int tile,
            Recompute recompute) {
        MicroBatch batch = MicroBatch.of(List.of(row), layout, size, tile);
        double weight = batch.targetWeight();
        int vocab = config.vocabSize();
        List<Local> locals =
                LocalRanks.run(
                        size,
                        (ring, device) -> {
                            ParameterStore parameters =
                                    new ParameterStore(device, config, dtype, true);
                            weights.set(parameters);
                            SequenceBlock own = batch.blocks().get(ring.rank());
                            float[] logits = new float[own.length() * vocab];
                            try (Transformer transformer = new Transformer(device, parameters)) {
                                TokenLosses losses =
                                        transformer.forwardBackward(
                                                config,
                                                batch,
                                                ring,
                                                Frame.of(1, 0),
                                                weight == 0 ? 0 : (float) (1 / weight),
                                                recompute,
                                                false,
                                                (block, from) -> {
                                                    float[] part = floats(device, block);
                                                    System.arraycopy(
                                                            part,
                                                            0,
                                                            logits,
                                                            (int) (from * vocab),
                                                            part.length);
                                                });
                                AllReduce.sum(ring, device, parameters.gradients(), 1);
                                Map<String, float[]> gradients = new LinkedHashMap<>();
                                for (int i = 0; i < parameters.specs().size(); i++) {
                                    gradients.put(
                                            parameters.specs().get(i).name(),
                                            floats(device, parameters.gradient(i)));
                                }
                                return new Local(logits, losses.weightedSum(own), gradients);
                            }
                        });
        float[][] logits = new float[row.ids().length][vocab];
        double lossSum = 0;
        for (int rank = 0; rank < size; rank++) {
            SequenceBlock block = batch.blocks().get(rank);
            lossSum += locals.get(rank).lossSum;
            for (int i = 0; i < block.length(); i++) {
                if (block.places()[i] >= 0) {
                    System.arraycopy(
                            locals.get(rank).logits,
                            i * vocab,
                            logits[block.places()[i]],
                            0,
                            vocab);
                }
            }
        }
        return new RingResult(
                logits, weight == 0 ? 0 : lossSum / weight, locals.getFirst().gradients);
    }

    static float[] floats(Device device, Tensor tensor) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(tensor.bytes(), 64);
            device.copyOut(tensor, host);
            return host.toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    /** max |a − b| / max |b|; exactly 0 is asked where b is all 0. */
    static double difference(float[] a, float[] b) {
        double worst = 0;
        double greatest = 0;
        for (int i = 0; i < b.length; i++) {
            worst = Math.max(worst, Math.abs((double) a[i] - b[i]));
            if (Float.isNaN(a[i])) {
                return Double.NaN;
            }
            greatest = Math.max(greatest, Math.abs(b[i]));
        }
        return greatest == 0 ? (worst == 0 ? 0 : Double.POSITIVE_INFINITY) : worst / greatest;
    }
}
