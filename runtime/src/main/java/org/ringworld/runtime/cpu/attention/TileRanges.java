package org.ringworld.runtime.cpu.attention;

import static org.ringworld.runtime.cpu.device.Lanes.getInt;

import java.util.Arrays;
import org.ringworld.runtime.Tensor;

/**
 * A block of tokens cut into tiles, and the positions and segments of each as ranges: enough to
 * know of most pairs of tiles that nothing or everything is visible. A tile ends where a document
 * does, unless it would be very short. Padding (segment &lt; 0) is outside of every range.
 */
final class TileRanges {
    private final int[] starts;
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

    /** Tiles of at most {@code tile} tokens. */
    TileRanges(Tensor positions, Tensor segments, int tile) {
        starts = starts(segments, tile);
        int tiles = starts.length - 1;
        firstPosition = new int[tiles];
        lastPosition = new int[tiles];
        firstSegment = new int[tiles];
        lastSegment = new int[tiles];
        padded = new boolean[tiles];
        for (int t = 0; t < tiles; t++) {
            firstPosition[t] = firstSegment[t] = Integer.MAX_VALUE;
            lastPosition[t] = lastSegment[t] = Integer.MIN_VALUE;
            for (int i = starts[t]; i < starts[t + 1]; i++) {
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

    /** Where tiles begin, and the end of the last one. */
    private static int[] starts(Tensor segments, int tile) {
        int n = Math.toIntExact(segments.size());
        int least = tile / 3;
        int[] starts = new int[n / least + 2];
        int tiles = 0;
        int start = 0;
        for (int i = 1; i < n; i++) {
            long at = segments.address() + 4L * i;
            boolean border = i - start >= least && getInt(at) != getInt(at - 4);
            if (border || i - start == tile) {
                starts[++tiles] = i;
                start = i;
            }
        }
        if (n > 0) {
            starts[++tiles] = n;
        }
        return Arrays.copyOf(starts, tiles + 1);
    }

    int tiles() {
        return padded.length;
    }

    /** The first token of a tile; of the one after the last, the number of all tokens. */
    int start(int tile) {
        return starts[tile];
    }

    int size(int tile) {
        return starts[tile + 1] - starts[tile];
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
