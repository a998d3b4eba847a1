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

    static Picture bicubic(Picture picture, int width, int height) {
        int h = picture.height();
        byte[] across = new byte[Math.multiplyExact(3, Math.multiplyExact(width, h))];
        pass(
                picture.rgb(),
                across,
                new Filter(picture.width(), width),
                h,
                3,
                3 * picture.width(),
                3,
                3 * width);
        byte[] down = new byte[Math.multiplyExact(3, Math.multiplyExact(width, height))];
        pass(across, down, new Filter(h, height), width, 3 * width, 3, 3 * width, 3);
        return new Picture(width, height, down);
    }

    /** Which pixels make each new one, and how much of each. */
    private static final class Filter {
        final int[] first;
        final int[][] weights;

        Filter(int from, int to) {
            first = new int[to];
            weights = new int[to][];
            double scale = (double) from / to;
            double stretch = Math.max(1, scale);
            double support = SUPPORT * stretch;
            for (int i = 0; i < to; i++) {
                double center = (i + 0.5) * scale;
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
     * @param lines how many there are across it
     * @param step between two pixels of a line, {@code line} between two lines; of what is read and
     *     of what is written
     */
    private static void pass(
            byte[] in,
            byte[] out,
            Filter filter,
            int lines,
            int step,
            int line,
            int toStep,
            int toLine) {
        for (int l = 0; l < lines; l++) {
            for (int i = 0; i < filter.first.length; i++) {
                int[] weights = filter.weights[i];
                int from = l * line + filter.first[i] * step;
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
