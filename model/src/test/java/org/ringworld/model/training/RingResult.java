package org.ringworld.model.training;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.CausalMask;
import org.ringworld.model.attention.Layout;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.attention.RankBatch;
import org.ringworld.model.attention.RingShares;
import org.ringworld.model.attention.SequenceBlock;
import org.ringworld.model.layers.Recompute;
import org.ringworld.model.layers.TokenLosses;
import org.ringworld.model.layers.Transformer;
import org.ringworld.model.layers.WholeParameters;
import org.ringworld.model.ring.Frame;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.tokenizer.packing.Row;

/** Forward and backward of rows through a ring, put together again in the order of the input. */
public record RingResult(
        Map<Modality, float[][]> heads, double loss, Map<String, float[]> gradients) {

    /** Of the text head. */
    public float[][] logits() {
        return heads.get(Modality.TEXT);
    }

    public interface Weights {
        void set(WholeParameters parameters) throws Exception;
    }

    private record Local(
            Map<Modality, float[]> logits, double lossSum, Map<String, float[]> gradients) {}

    public static RingResult of(
            LlamaConfig config,
            Weights weights,
            DType dtype,
            Row row,
            Layout layout,
            int size,
            int tile,
            Recompute recompute) {
        return of(
                config,
                weights,
                dtype,
                row,
                MicroBatch.of(List.of(row), layout, RingShares.even(size), tile, CausalMask.CAUSAL),
                recompute);
    }

    /** Of one row, cut anyhow. */
    public static RingResult of(
            LlamaConfig config,
            Weights weights,
            DType dtype,
            Row row,
            MicroBatch batch,
            Recompute recompute) {
        return of(() -> new CpuDevice(1), config, weights, dtype, row, batch, recompute);
    }

    /** On devices of that kind. */
    public static RingResult of(
            Supplier<Device> kind,
            LlamaConfig config,
            Weights weights,
            DType dtype,
            Row row,
            MicroBatch batch,
            Recompute recompute) {
        double weight = batch.targetWeight();
        List<Local> locals =
                LocalRanks.run(
                        batch.plan().size(),
                        kind,
                        (ring, device) -> {
                            WholeParameters parameters = new WholeParameters(device, config, dtype);
                            weights.set(parameters);
                            RankBatch part = batch.ofRank(ring.rank());
                            SequenceBlock own = part.own();
                            Map<Modality, float[]> logits = new EnumMap<>(Modality.class);
                            try (Transformer transformer = new Transformer(device, parameters)) {
                                TokenLosses losses =
                                        transformer.forwardBackward(
                                                config,
                                                part,
                                                ring,
                                                Frame.of(1, 0),
                                                weight == 0 ? 0 : (float) (1 / weight),
                                                recompute,
                                                parameters.gradients(),
                                                false,
                                                true,
                                                (head, block, from) -> {
                                                    int vocab = (int) block.dim(1);
                                                    float[] all =
                                                            logits.computeIfAbsent(
                                                                    head,
                                                                    _ ->
                                                                            new float
                                                                                    [own.length()
                                                                                            * vocab]);
                                                    float[] some = floats(device, block);
                                                    int at = (int) from * vocab;
                                                    System.arraycopy(some, 0, all, at, some.length);
                                                });
                                parameters.gradients().sum(ring, 1);
                                Map<String, float[]> gradients = new LinkedHashMap<>();
                                for (int i = 0; i < parameters.specs().size(); i++) {
                                    gradients.put(
                                            parameters.specs().get(i).name(),
                                            floats(device, parameters.gradient(i)));
                                }
                                return new Local(logits, losses.weightedSum(own), gradients);
                            }
                        });
        Map<Modality, float[][]> heads = new EnumMap<>(Modality.class);
        for (Local local : locals) {
            for (Modality head : local.logits.keySet()) {
                heads.computeIfAbsent(head, h -> inOrder(config, row, batch, locals, h));
            }
        }
        double lossSum = locals.stream().mapToDouble(Local::lossSum).sum();
        return new RingResult(
                heads, weight == 0 ? 0 : lossSum / weight, locals.getFirst().gradients);
    }

    private static float[][] inOrder(
            LlamaConfig config, Row row, MicroBatch batch, List<Local> locals, Modality head) {
        int vocab = head.vocabSize(config);
        float[][] logits = new float[row.length()][vocab];
        for (int rank = 0; rank < locals.size(); rank++) {
            int[] places = batch.places(rank).getFirst();
            float[] from = locals.get(rank).logits.get(head);
            for (int i = 0; i < places.length; i++) {
                if (places[i] < row.length()) {
                    System.arraycopy(from, i * vocab, logits[places[i]], 0, vocab);
                }
            }
        }
        return logits;
    }

    public static float[] floats(Device device, Tensor tensor) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(tensor.bytes(), 64);
            device.copyOut(tensor, host);
            return host.toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    /** max |a − b| / max |b|; exactly 0 is asked where b is all 0. */
    public static double difference(float[] a, float[] b) {
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
