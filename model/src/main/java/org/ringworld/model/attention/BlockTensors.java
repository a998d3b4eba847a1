package org.ringworld.model.attention;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * A sequence block on its device: the rank's own ids, targets and weights [S], the last positions
 * that its tokens see [S], and the positions and segments of every rank, each of its own length,
 * which say what is visible without a word being exchanged.
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
        Tensor sees,
        List<Tensor> allPositions,
        List<Tensor> allSegments) {

    public static BlockTensors copyIn(RankBatch batch, Device device, Workspace workspace) {
        SequenceBlock own = batch.own();
        int length = own.length();
        List<Tensor> positions = new ArrayList<>();
        List<Tensor> segments = new ArrayList<>();
        for (BlockPositions block : batch.all()) {
            positions.add(workspace.take(DType.I32, block.length()));
            segments.add(workspace.take(DType.I32, block.length()));
            copy(device, block.positions(), positions.getLast());
            copy(device, block.segments(), segments.getLast());
        }
        BlockPositions standing = batch.all().get(batch.rank());
        Tensor sees = positions.get(batch.rank());
        if (standing.sees() != standing.positions()) {
            sees = workspace.take(DType.I32, length);
            copy(device, standing.sees(), sees);
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
                batch.rank(),
                ids,
                idOrder,
                targets,
                weights,
                targetOrder,
                own.visionIds() != null,
                sees,
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
        return allPositions.get(rank);
    }

    Tensor segments() {
        return allSegments.get(rank);
    }

    Tensor keyPositions(int origin, RingPlan plan, int tile) {
        int[] borders = plan.borders()[origin];
        return allPositions.get(origin).rows(borders[tile], borders[tile + 1]);
    }

    Tensor keySegments(int origin, RingPlan plan, int tile) {
        int[] borders = plan.borders()[origin];
        return allSegments.get(origin).rows(borders[tile], borders[tile + 1]);
    }
}
