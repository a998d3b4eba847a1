package org.ringworld.runtime.cpu.attention;

import static org.ringworld.runtime.cpu.attention.AttentionTile.SIDE;
import static org.ringworld.runtime.cpu.device.Lanes.getInt;
import static org.ringworld.runtime.cpu.device.Lanes.setInt;
import static org.ringworld.runtime.cpu.matmul.MicroKernel.COLUMNS;
import static org.ringworld.runtime.cpu.matmul.MicroKernel.ROWS;

import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.matmul.MicroKernel;

/**
 * Which keys of a tile each block of {@link MicroKernel#ROWS} queries may see, as [from, end) in
 * whole panels; and turned around, which queries each block of rows of keys. What lies outside is
 * not computed: on the diagonal and at the borders of documents, half of a tile.
 */
final class Spans {
    /** Bytes of the spans of a tile. */
    static final long BYTES = 8L * (SIDE / ROWS);

    private Spans() {}

    static int from(long spans, int block) {
        return getInt(spans + 8L * block);
    }

    static int end(long spans, int block) {
        return getInt(spans + 8L * block + 4);
    }

    private static void set(long spans, int block, int from, int end) {
        setInt(spans + 8L * block, from);
        setInt(spans + 8L * block + 4, end);
    }

    /** Every one of {@code blocks} takes [0, n). */
    static void all(long spans, int blocks, int n) {
        for (int block = 0; block < blocks; block++) {
            set(spans, block, 0, n);
        }
    }

    /**
     * What n queries from {@code first} on see of a tile of keys, staged by {@link
     * AttentionTile#stageKeys}: from the first to the last panel in which anything is visible.
     */
    static void visible(
            Tensor positions,
            Tensor segments,
            long first,
            int n,
            long staged,
            int keys,
            long spans) {
        for (int block = 0; block * ROWS < n; block++) {
            int lastPosition = Integer.MIN_VALUE;
            int firstSegment = Integer.MAX_VALUE;
            int lastSegment = Integer.MIN_VALUE;
            for (int i = block * ROWS; i < Math.min(n, (block + 1) * ROWS); i++) {
                int segment = getInt(segments.address() + 4 * (first + i));
                if (segment >= 0) {
                    int position = getInt(positions.address() + 4 * (first + i));
                    lastPosition = Math.max(lastPosition, position);
                    firstSegment = Math.min(firstSegment, segment);
                    lastSegment = Math.max(lastSegment, segment);
                }
            }
            int from = 0;
            while (from < keys && !seen(lastPosition, firstSegment, lastSegment, staged, from)) {
                from += COLUMNS;
            }
            int end = Math.max(from, AttentionTile.wholeKeys(keys));
            while (end > from
                    && !seen(lastPosition, firstSegment, lastSegment, staged, end - COLUMNS)) {
                end -= COLUMNS;
            }
            set(spans, block, from == end ? 0 : from, from == end ? 0 : end);
        }
    }

    private static boolean seen(
            int lastPosition, int firstSegment, int lastSegment, long staged, int panel) {
        for (int k = panel; k < panel + COLUMNS; k++) {
            int segment = getInt(staged + 4L * (SIDE + k));
            if (segment >= firstSegment
                    && segment <= lastSegment
                    && getInt(staged + 4L * k) <= lastPosition) {
                return true;
            }
        }
        return false;
    }

    /**
     * Turns the spans of {@code blocks} blocks of queries into those of blocks of {@code keys}
     * keys: from the first to the last block of queries that computes any of them.
     */
    static void turn(long spans, int blocks, int keys, long turned) {
        for (int key = 0; key * ROWS < keys; key++) {
            int from = 0;
            int end = 0;
            for (int block = 0; block < blocks; block++) {
                if (from(spans, block) < (key + 1) * ROWS && end(spans, block) > key * ROWS) {
                    from = end == 0 ? block * ROWS : from;
                    end = (block + 1) * ROWS;
                }
            }
            set(turned, key, from, end);
        }
    }
}
