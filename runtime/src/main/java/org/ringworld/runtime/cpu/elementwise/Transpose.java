package org.ringworld.runtime.cpu.elementwise;

import static org.ringworld.runtime.cpu.device.Lanes.get;
import static org.ringworld.runtime.cpu.device.Lanes.set;

/** Transposition of F32 blocks on their way into panels. */
public final class Transpose {
    private Transpose() {}

    /** to[j][i] = from[i][j] for i below rows and j below columns; strides in bytes. */
    public static void run(long from, long fromRow, int rows, int columns, long to, long toRow) {
        for (int i = 0; i < rows; i++) {
            long source = from + i * fromRow;
            long target = to + 4L * i;
            for (int j = 0; j < columns; j++) {
                set(target + j * toRow, get(source + 4L * j));
            }
        }
    }
}
