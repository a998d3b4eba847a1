package org.ringworld.runtime.cpu.attention;

import static org.ringworld.runtime.cpu.device.Lanes.COUNT;
import static org.ringworld.runtime.cpu.device.Lanes.getInt;

import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.attention.TileRanges.Sight;
import org.ringworld.runtime.cpu.device.Lanes;

/**
 * Which keys which queries see, in grains of at most {@link #GRAIN} tokens: what a tile of queries
 * sees of the keys is walked as few rectangles as large as can be, so that neither the diagonal nor
 * the borders of packed documents cost a whole tile.
 */
public final class VisibleTiles {
    static final int GRAIN = 64;

    private final Tensor qPositions;
    private final Tensor qSegments;
    private final Tensor kPositions;
    private final Tensor kSegments;
    private final TileRanges queries;
    private final TileRanges keys;

    public VisibleTiles(Tensor qPositions, Tensor qSegments, Tensor kPositions, Tensor kSegments) {
        this.qPositions = qPositions;
        this.qSegments = qSegments;
        this.kPositions = kPositions;
        this.kSegments = kSegments;
        this.queries = new TileRanges(qPositions, qSegments, GRAIN);
        this.keys = new TileRanges(kPositions, kSegments, GRAIN);
    }

    /** The first query of a grain. */
    long firstQuery(int grain) {
        return queries.start(grain);
    }

    int queryGrains() {
        return queries.tiles();
    }

    int keyGrains() {
        return keys.tiles();
    }

    /**
     * The rectangles that grains [queryFrom, queryEnd) of the queries see of [keyFrom, keyEnd) of
     * the keys, each of at most {@code mostKeys} keys.
     */
    Cursor cursor(int queryFrom, int queryEnd, int keyFrom, int keyEnd, int mostKeys) {
        return new Cursor(queryFrom, queryEnd, keyFrom, keyEnd, mostKeys / GRAIN);
    }

    /** One rectangle after the other. */
    final class Cursor {
        private final int queryFrom;
        private final int queryEnd;
        private final int keyEnd;
        private final int most;
        private int keyFrom;
        private int keyTo;
        private int rowFrom;
        private int rowTo;
        private boolean everything;

        private Cursor(int queryFrom, int queryEnd, int keyFrom, int keyEnd, int most) {
            this.queryFrom = queryFrom;
            this.queryEnd = queryEnd;
            this.keyEnd = keyEnd;
            this.most = most;
            this.keyTo = keyFrom;
        }

        /** Goes to the next rectangle; false where there is none. */
        boolean next() {
            do {
                keyFrom = keyTo++;
                if (keyFrom >= keyEnd) {
                    return false;
                }
                rowFrom = firstRow(keyFrom);
            } while (rowFrom == queryEnd);
            rowTo = endRow(keyFrom);
            while (keyTo < keyEnd
                    && keyTo - keyFrom < most
                    && firstRow(keyTo) == rowFrom
                    && endRow(keyTo) == rowTo) {
                keyTo++;
            }
            everything = everythingSeen();
            return true;
        }

        private int firstRow(int key) {
            int row = queryFrom;
            while (row < queryEnd && queries.see(row, keys, key) == Sight.NOTHING) {
                row++;
            }
            return row;
        }

        private int endRow(int key) {
            int row = queryEnd;
            while (queries.see(row - 1, keys, key) == Sight.NOTHING) {
                row--;
            }
            return row;
        }

        private boolean everythingSeen() {
            for (int key = keyFrom; key < keyTo; key++) {
                for (int row = rowFrom; row < rowTo; row++) {
                    if (queries.see(row, keys, key) != Sight.EVERYTHING) {
                        return false;
                    }
                }
            }
            // Scores are worked on in whole vectors.
            return keys() % COUNT == 0;
        }

        /** The first query, counted from the beginning of the cursor's. */
        int firstQuery() {
            return queries.start(rowFrom) - queries.start(queryFrom);
        }

        int queries() {
            return queries.start(rowTo) - queries.start(rowFrom);
        }

        long firstKey() {
            return keys.start(keyFrom);
        }

        int keys() {
            return keys.start(keyTo) - keys.start(keyFrom);
        }

        /** Whether every query sees every key, and the keys are whole vectors. */
        boolean everything() {
            return everything;
        }

        /**
         * Sets the scores of what is not seen to −∞. Rows are {@code stride} bytes apart and whole
         * vectors long; {@code staged} is room for two rows of that length.
         */
        void hide(long staged, long scores, long stride) {
            int width = Lanes.pad(keys());
            long segments = staged + 4L * width;
            AttentionTile.stageKeys(kPositions, kSegments, firstKey(), keys(), width, staged);
            long first = queries.start(rowFrom);
            for (int i = 0; i < queries(); i++) {
                int position = getInt(qPositions.address() + 4 * (first + i));
                int segment = getInt(qSegments.address() + 4 * (first + i));
                AttentionTile.hideRow(
                        position, segment, staged, segments, 0, width, scores + i * stride);
            }
        }
    }
}
