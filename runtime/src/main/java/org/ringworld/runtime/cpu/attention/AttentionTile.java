package org.ringworld.runtime.cpu.attention;

import static org.ringworld.runtime.cpu.device.Lanes.BYTES;
import static org.ringworld.runtime.cpu.device.Lanes.COUNT;
import static org.ringworld.runtime.cpu.device.Lanes.getInt;
import static org.ringworld.runtime.cpu.device.Lanes.load;
import static org.ringworld.runtime.cpu.device.Lanes.store;
import static org.ringworld.runtime.cpu.matmul.MicroKernel.COLUMNS;
import static org.ringworld.runtime.cpu.matmul.MicroKernel.ROWS;
import static org.ringworld.runtime.cpu.matmul.MicroKernel.WIDTH;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.device.Lanes;
import org.ringworld.runtime.cpu.elementwise.Quantized;
import org.ringworld.runtime.cpu.elementwise.Staging;
import org.ringworld.runtime.cpu.elementwise.Transpose;
import org.ringworld.runtime.cpu.matmul.Dots;
import org.ringworld.runtime.cpu.matmul.MicroKernel;

/**
 * What the forward and the backward pass of attention do with one tile of queries and one of keys.
 * Tiles are F32 in a worker's scratch: rows of headDim padded to whole vectors, or scores with
 * {@link #SIDE} columns.
 */
public final class AttentionTile {
    /**
     * Queries, and keys, of a tile: whole blocks of the micro-kernel both ways, and small enough
     * that a tile of scores shares the first cache with a panel.
     */
    public static final int SIDE = 96;

    /** Bytes from one row of scores to the next. */
    public static final long SCORES_ROW = 4L * SIDE;

    /** Queries for which keys are not packed. */
    public static final int FEW = 4;

    private static final VectorSpecies<Integer> I32 = Lanes.F32.withLanes(int.class);

    /** Segments that equal no other: of padded queries, and of places beyond the last key. */
    private static final int BLIND = -3;

    private static final int BEYOND = -2;

    private AttentionTile() {}

    /** Bytes of a tile of rows of headDim {@code d}. */
    static long rowsBytes(int d) {
        return 4L * SIDE * Lanes.pad(d);
    }

    /** n rounded up to the blocks of rows that are computed together. */
    static int wholeRows(int n) {
        return (n + ROWS - 1) / ROWS * ROWS;
    }

    /** n rounded up to the panels of keys that are computed together. */
    static int wholeKeys(int n) {
        return (n + COLUMNS - 1) / COLUMNS * COLUMNS;
    }

    /**
     * Rows [from, from + n) of one head of x [.,heads,d], times {@code scale}; zeros around them.
     */
    static void stage(Tensor x, int head, long from, int n, float scale, long to) {
        long row = 4L * Lanes.pad((int) x.dim(2));
        for (int i = 0; i < n; i++) {
            stageRow(x, head, from + i, scale, to + i * row);
        }
        clearBehind(n, row, to);
    }

    /** One row of a tile. */
    static void stageRow(Tensor x, int head, long index, float scale, long to) {
        int d = (int) x.dim(2);
        long source = x.address() + (index * x.dim(1) + head) * d * x.dtype().bytes();
        stageRow(x.dtype(), source, d, scale, to);
    }

    /** Zeros in what a block of rows or a panel of keys computes beyond the last of n tokens. */
    static void clearBehind(int n, long row, long to) {
        int whole = Math.max(wholeRows(n), wholeKeys(n));
        Lanes.MEMORY.asSlice(to + n * row, (whole - n) * row).fill((byte) 0);
    }

    static void stageRow(DType dtype, long from, int d, float scale, long to) {
        if (dtype == DType.I8) {
            Quantized.load(from, scale, d, to);
            for (int j = d; j < Lanes.pad(d); j++) {
                Lanes.set(to + 4L * j, 0);
            }
            return;
        }
        if (d % COUNT != 0) {
            Staging.load(dtype, from, d, to);
            for (int j = d; j < Lanes.pad(d); j++) {
                Lanes.set(to + 4L * j, 0);
            }
            for (int j = 0; j < d; j += COUNT) {
                store(load(to + 4L * j).mul(scale), to + 4L * j);
            }
        } else if (dtype == DType.F32) {
            FloatVector by = FloatVector.broadcast(Lanes.F32, scale);
            for (int j = 0; j < d; j += COUNT) {
                FloatVector.fromMemorySegment(Lanes.F32, Lanes.MEMORY, from + 4L * j, Lanes.ORDER)
                        .mul(by)
                        .intoMemorySegment(Lanes.MEMORY, to + 4L * j, Lanes.ORDER);
            }
        } else {
            for (int j = 0; j < d; j += COUNT) {
                store(Staging.widened(from + 2L * j).mul(scale), to + 4L * j);
            }
        }
    }

    /** A staged tile of keys as panels [headDim, COLUMNS], the right operand of scores. */
    static void transpose(long rows, int n, int d, long panels) {
        long row = 4L * Lanes.pad(d);
        for (int k = 0; k < wholeKeys(n); k += COLUMNS) {
            Transpose.run(rows + k * row, row, COLUMNS, d, panels + 4L * k * d, 4L * COLUMNS);
        }
    }

    /** scores[rows, keys] = x · panels where {@code spans} says; x staged rows of headDim d. */
    static void scores(long x, int rows, int d, long panels, int keys, long spans, long scores) {
        long row = 4L * Lanes.pad(d);
        for (int k = 0; k < keys; k += COLUMNS) {
            for (int i = 0; i < rows; i += ROWS) {
                if (k < Spans.from(spans, i / ROWS) || k >= Spans.end(spans, i / ROWS)) {
                    continue;
                }
                MicroKernel.run(
                        WIDTH,
                        d,
                        x + i * row,
                        row,
                        4,
                        panels + 4L * k * d,
                        4L * COLUMNS,
                        scores + i * SCORES_ROW + 4L * k,
                        SCORES_ROW,
                        false);
            }
        }
    }

    /**
     * The same for up to {@link #FEW} rows, from keys as they are staged: for so few, packing the
     * keys would cost more than all else.
     *
     * @param room of {@link Dots#rows}
     */
    static void fewScores(
            long x, int rows, int d, long keyRows, long keyRow, int keys, long room, long scores) {
        long row = 4L * Lanes.pad(d);
        for (int i = 0; i < rows; i++) {
            for (int k = 0; k < keys; k += COUNT) {
                Dots.rows(
                        x + i * row,
                        keyRows + k * keyRow,
                        keyRow,
                        (int) row,
                        room,
                        scores + i * SCORES_ROW + 4L * k);
            }
        }
    }

    /**
     * y[rows, d] (+)= p · x, where p is [rows, depth] at the strides given, of which each block of
     * rows takes the part that {@code spans} says, and x staged rows of headDim d.
     */
    static void combine(
            long p,
            long pRow,
            long pColumn,
            int rows,
            long spans,
            long x,
            long xRow,
            int d,
            long y,
            boolean add) {
        long row = 4L * Lanes.pad(d);
        int vectors = Lanes.pad(d) / COUNT;
        for (int v = 0; v < vectors; v += WIDTH) {
            for (int i = 0; i < rows; i += ROWS) {
                int from = Spans.from(spans, i / ROWS);
                MicroKernel.run(
                        Math.min(WIDTH, vectors - v),
                        Spans.end(spans, i / ROWS) - from,
                        p + i * pRow + from * pColumn,
                        pRow,
                        pColumn,
                        x + from * xRow + (long) v * BYTES,
                        xRow,
                        y + i * row + (long) v * BYTES,
                        row,
                        add);
            }
        }
    }

    /**
     * Positions and segments of n keys, as {@link #hideRow} wants them: two rows of {@code width}.
     */
    static void stageKeys(Tensor positions, Tensor segments, long from, int n, int width, long to) {
        for (int i = 0; i < width; i++) {
            boolean real = i < n;
            Lanes.setInt(to + 4L * i, real ? getInt(positions.address() + 4 * (from + i)) : 0);
            Lanes.setInt(
                    to + 4L * (width + i),
                    real ? getInt(segments.address() + 4 * (from + i)) : BEYOND);
        }
    }

    /** Sets scores of what query row {@code from + i} does not see to −∞, inside of its span. */
    static void hide(
            Tensor positions,
            Tensor segments,
            long from,
            int n,
            long staged,
            long spans,
            long scores) {
        for (int i = 0; i < n; i++) {
            int first = Spans.from(spans, i / ROWS);
            int end = Spans.end(spans, i / ROWS);
            int position = getInt(positions.address() + 4 * (from + i));
            int segment = getInt(segments.address() + 4 * (from + i));
            hideRow(
                    position,
                    segment,
                    staged,
                    staged + 4L * SIDE,
                    first,
                    end,
                    scores + i * SCORES_ROW);
        }
    }

    /** Of one query; keys [from, end), whole vectors. */
    static void hideRow(
            int position,
            int segment,
            long positions,
            long segments,
            int from,
            int end,
            long scores) {
        for (int k = from; k < end; k += COUNT) {
            var late =
                    IntVector.fromMemorySegment(I32, Lanes.MEMORY, positions + 4L * k, Lanes.ORDER)
                            .compare(VectorOperators.GT, position);
            var foreign =
                    IntVector.fromMemorySegment(I32, Lanes.MEMORY, segments + 4L * k, Lanes.ORDER)
                            .compare(VectorOperators.NE, segment < 0 ? BLIND : segment);
            FloatVector s = load(scores + 4L * k);
            var hidden = late.or(foreign).cast(Lanes.F32);
            store(s.blend(Float.NEGATIVE_INFINITY, hidden), scores + 4L * k);
        }
    }
}
