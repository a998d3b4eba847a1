package org.ringworld.tokenizer.media;

/**
 * Pillow's resampling, which LWM's frames are made by: a bicubic filter (Keys 1981, a = −1/2) that
 * is stretched where a picture gets smaller, first along rows and then along columns, both rounded
 * to bytes, in fixed point as Pillow has it.
 */
final class Resampling {
    private static final double SUPPORT = 2;
    private static final double A = -0.5;

    /** Pillow's PRECISION_BITS. */
    private static final int BITS = 32 - 8 - 2;

    private Resampling() {}

    /**
     * A square of a picture that is scaled to width × height. No more than the square is made: a
     * thin line that is scaled as a whole would take gigabytes.
     */
    static Picture bicubic(
            Picture picture, long width, long height, long left, long top, int side) {
        Filter columns = new Filter(picture.width(), width, left, side);
        Filter rows = new Filter(picture.height(), height, top, side);
        int begin = rows.begin();
        int lines = rows.end() - begin;
        byte[] across = new byte[Math.multiplyExact(3 * side, lines)];
        int line = 3 * picture.width();
        pass(picture.rgb(), begin * line, across, columns, 0, lines, 3, line, 3, 3 * side);
        byte[] down = new byte[3 * side * side];
        pass(across, 0, down, rows, begin, side, 3 * side, 3, 3 * side, 3);
        return new Picture(side, side, down);
    }

    /** Which pixels make each new one of a range, and how much of each. */
    private static final class Filter {
        final int[] first;
        final int[][] weights;

        Filter(int from, long to, long begin, int count) {
            first = new int[count];
            weights = new int[count][];
            double scale = (double) from / to;
            double stretch = Math.max(1, scale);
            double support = SUPPORT * stretch;
            for (int i = 0; i < count; i++) {
                double center = (begin + i + 0.5) * scale;
                int low = Math.max(0, (int) (center - support + 0.5));
                int high = Math.min(from, (int) (center + support + 0.5));
                double[] exact = new double[high - low];
                double sum = 0;
                for (int k = 0; k < exact.length; k++) {
                    exact[k] = bicubic((k + low - center + 0.5) / stretch);
                    sum += exact[k];
                }
                first[i] = low;
                weights[i] = new int[exact.length];
                for (int k = 0; k < exact.length; k++) {
                    double one = exact[k] / sum * (1 << BITS);
                    weights[i][k] = (int) (one < 0 ? one - 0.5 : one + 0.5);
                }
            }
        }

        /** The first pixel that is needed. */
        int begin() {
            return first[0];
        }

        /** Behind the last one. */
        int end() {
            int last = first.length - 1;
            return first[last] + weights[last].length;
        }
    }

    private static double bicubic(double at) {
        double x = Math.abs(at);
        if (x < 1) {
            return ((A + 2) * x - (A + 3)) * x * x + 1;
        }
        return x < 2 ? (((x - 5) * x + 8) * x - 4) * A : 0;
    }

    /**
     * One direction.
     *
     * @param start where the first line begins in what is read
     * @param skipped pixels of a line that are not there, before those that are
     * @param lines how many there are across it
     * @param step between two pixels of a line, {@code line} between two lines; of what is read and
     *     of what is written
     */
    private static void pass(
            byte[] in,
            int start,
            byte[] out,
            Filter filter,
            int skipped,
            int lines,
            int step,
            int line,
            int toStep,
            int toLine) {
        for (int l = 0; l < lines; l++) {
            for (int i = 0; i < filter.first.length; i++) {
                int[] weights = filter.weights[i];
                int from = start + l * line + (filter.first[i] - skipped) * step;
                for (int c = 0; c < 3; c++) {
                    int sum = 1 << BITS - 1;
                    for (int k = 0; k < weights.length; k++) {
                        sum += (in[from + k * step + c] & 0xff) * weights[k];
                    }
                    out[l * toLine + i * toStep + c] = (byte) Math.clamp(sum >> BITS, 0, 255);
                }
            }
        }
    }
}
