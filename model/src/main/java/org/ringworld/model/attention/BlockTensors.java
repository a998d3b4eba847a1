package org.ringworld.model.attention;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * A sequence block on its device: the rank's own ids, targets and weights [S], and the positions
 * and segments of every rank [N,S], which say what is visible without a word being exchanged.
 *
 * @param ids in the order of {@code idOrder}
 * @param targets and weights, in the order of {@code targetOrder}
 * @param tellsVision whether the batch says which tokens are vision codes
 */
public record BlockTensors(
        int rank,
        Tensor ids,
        ModalityOrder idOrder,
        Tensor targets,
        Tensor weights,
        ModalityOrder targetOrder,
        boolean tellsVision,
        Tensor allPositions,
        Tensor allSegments) {

    public static BlockTensors copyIn(
            MicroBatch batch, int rank, Device device, Workspace workspace) {
        SequenceBlock own = batch.blocks().get(rank);
        int size = batch.blocks().size();
        int length = own.length();
        Tensor positions = workspace.take(DType.I32, size, length);
        Tensor segments = workspace.take(DType.I32, size, length);
        List<SequenceBlock> blocks = batch.blocks();
        for (int r = 0; r < size; r++) {
            copy(device, blocks.get(r).positions(), positions.rows(r, r + 1));
            copy(device, blocks.get(r).segments(), segments.rows(r, r + 1));
        }
        ModalityOrder idOrder = new ModalityOrder(own.visionIds(), length, device, workspace);
        ModalityOrder targetOrder =
                new ModalityOrder(own.visionTargets(), length, device, workspace);
        Tensor ids = workspace.take(DType.I32, length);
        Tensor targets = workspace.take(DType.I32, length);
        Tensor weights = workspace.take(DType.F32, length);
        copy(device, idOrder.sort(own.ids()), ids);
        copy(device, targetOrder.sort(own.targets()), targets);
        float[] sorted = targetOrder.sort(own.weights());
        try (Arena arena = Arena.ofConfined()) {
            device.copyIn(arena.allocateFrom(ValueLayout.JAVA_FLOAT, sorted), weights);
        }
        return new BlockTensors(
                rank,
                ids,
                idOrder,
                targets,
                weights,
                targetOrder,
                own.visionIds() != null,
                positions,
                segments);
    }

    static void copy(Device device, int[] host, Tensor to) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocateFrom(ValueLayout.JAVA_INT, host);
            device.copyIn(memory, to);
        }
    }

    public int length() {
        return Math.toIntExact(ids.dim(0));
    }

    public Tensor positions() {
        return ofRank(allPositions, rank);
    }

    Tensor segments() {
        return ofRank(allSegments, rank);
    }

    Tensor keyPositions(int origin, RingPlan plan, int tile) {
        return ofRank(allPositions, origin).rows(plan.borders()[tile], plan.borders()[tile + 1]);
    }

    Tensor keySegments(int origin, RingPlan plan, int tile) {
        return ofRank(allSegments, origin).rows(plan.borders()[tile], plan.borders()[tile + 1]);
    }

    private static Tensor ofRank(Tensor all, int rank) {
        return all.rows(rank, rank + 1).view(all.dim(1));
    }
}
