package org.ringworld.runtime.cpu;

import static org.ringworld.runtime.cpu.Lanes.getInt;

import org.ringworld.runtime.Tensor;

/**
 * The positions and segments of tiles of tokens, as ranges: enough to know of most pairs of tiles
 * that nothing or everything is visible. Padding (segment &lt; 0) is outside of every range.
 */
final class TileRanges {
    private final int[] firstPosition;
    private final int[] lastPosition;
    private final int[] firstSegment;
    private final int[] lastSegment;
    private final boolean[] padded;

    /** What the queries of one tile see of the keys of another. */
    enum Sight {
        NOTHING,
        SOME,
        EVERYTHING
    }

    /** Ranges of tiles of {@code tile} tokens; the last one, if shorter, counts as padded. */
    TileRanges(Tensor positions, Tensor segments, int tile) {
        int n = Math.toIntExact(positions.size());
        int tiles = (n + tile - 1) / tile;
        firstPosition = new int[tiles];
        lastPosition = new int[tiles];
        firstSegment = new int[tiles];
        lastSegment = new int[tiles];
        padded = new boolean[tiles];
        for (int t = 0; t < tiles; t++) {
            int end = Math.min(n, (t + 1) * tile);
            firstPosition[t] = firstSegment[t] = Integer.MAX_VALUE;
            lastPosition[t] = lastSegment[t] = Integer.MIN_VALUE;
            padded[t] = end - t * tile < tile;
            for (int i = t * tile; i < end; i++) {
                int position = getInt(positions.address() + 4L * i);
                int segment = getInt(segments.address() + 4L * i);
                if (segment < 0) {
                    padded[t] = true;
                    continue;
                }
                firstPosition[t] = Math.min(firstPosition[t], position);
                lastPosition[t] = Math.max(lastPosition[t], position);
                firstSegment[t] = Math.min(firstSegment[t], segment);
                lastSegment[t] = Math.max(lastSegment[t], segment);
            }
        }
    }

    int tiles() {
        return padded.length;
    }

    /** What tile {@code q} of these queries sees of tile {@code k} of the keys. */
    Sight see(int q, TileRanges keys, int k) {
        if (keys.firstPosition[k] > lastPosition[q]
                || keys.firstSegment[k] > lastSegment[q]
                || keys.lastSegment[k] < firstSegment[q]) {
            return Sight.NOTHING;
        }
        boolean one =
                firstSegment[q] == lastSegment[q]
                        && keys.firstSegment[k] == firstSegment[q]
                        && keys.lastSegment[k] == firstSegment[q];
        return one && !padded[q] && !keys.padded[k] && keys.lastPosition[k] <= firstPosition[q]
                ? Sight.EVERYTHING
                : Sight.SOME;
    }
}
