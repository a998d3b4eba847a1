package org.ringworld.runtime.cpu.attention;

import static org.ringworld.runtime.cpu.device.Lanes.getInt;

import org.ringworld.runtime.KernelShapes;
import org.ringworld.runtime.PageTable;
import org.ringworld.runtime.Tensor;

/** One call of {@link org.ringworld.runtime.Kernels#pagedAttention}, its shapes checked. */
public record PagedCall(
        KernelShapes.Paged shape,
        Tensor q,
        Tensor qPositions,
        Tensor pool,
        Tensor open,
        Tensor kPositions,
        PageTable table,
        float scale,
        Tensor out,
        Tensor max,
        Tensor sum) {

    public static PagedCall of(
            Tensor q,
            Tensor qPositions,
            Tensor pool,
            Tensor open,
            Tensor kPositions,
            PageTable table,
            float scale,
            Tensor out,
            Tensor max,
            Tensor sum) {
        var shape =
                KernelShapes.pagedAttention(
                        q, qPositions, pool, open, kPositions, table, out, max, sum);
        return new PagedCall(
                shape, q, qPositions, pool, open, kPositions, table, scale, out, max, sum);
    }

    /** The first query of a sequence; of the number of sequences, the end of all. */
    int query(int sequence) {
        return getInt(table.queries().address() + 4L * sequence);
    }

    /** Where the pages of a sequence begin in the table, likewise. */
    int border(int sequence) {
        return getInt(table.borders().address() + 4L * sequence);
    }

    /** Where a page lies: in the pool, or behind its last among the open ones. */
    Tensor tensorOf(long page) {
        return page < shape.p() ? pool : open;
    }

    /** The row of that tensor. */
    long rowOf(long page) {
        return page < shape.p() ? page : page - shape.p();
    }

    /** The number of a page of the table. */
    long page(int index) {
        return getInt(table.pages().address() + 4L * index);
    }

    int qPosition(long query) {
        return getInt(qPositions.address() + 4L * query);
    }
}
