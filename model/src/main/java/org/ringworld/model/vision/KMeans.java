package org.ringworld.model.vision;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;

/**
 * Lloyd's k-means (1982): each mean becomes that of the points nearest to it, again and again. A
 * mean that no point is nearest to starts anew at a point that lies far from its own.
 */
final class KMeans {
    private final float[] points;
    private final int d;
    private final float[] means;

    /**
     * @param points [N,D]
     */
    private KMeans(float[] points, int d, int k, long seed) {
        this.points = points;
        this.d = d;
        means = new float[k * d];
        List<Integer> order =
                new ArrayList<>(IntStream.range(0, points.length / d).boxed().toList());
        Collections.shuffle(order, new Random(seed));
        for (int v = 0; v < k; v++) {
            System.arraycopy(points, order.get(v) * d, means, v * d, d);
        }
    }

    /**
     * Means of points, on the thread that drives the device.
     *
     * @param points [N,D], N at least k
     * @return [k,D]
     */
    static float[] of(Device device, float[] points, int d, int k, int rounds, long seed) {
        KMeans run = new KMeans(points, d, k, seed);
        int n = points.length / d;
        Tensor x = device.tensor(DType.F32, n, d);
        Tensor codebook = device.tensor(DType.F32, k, d);
        Tensor codes = device.tensor(DType.I32, n);
        device.copyIn(MemorySegment.ofArray(points), x);
        int[] nearest = new int[n];
        for (int round = 0; round < rounds; round++) {
            device.copyIn(MemorySegment.ofArray(run.means), codebook);
            device.vision().nearest(x, codebook, codes);
            device.copyOut(codes, MemorySegment.ofArray(nearest));
            run.update(nearest);
        }
        List.of(x, codebook, codes).forEach(device::free);
        return run.means;
    }

    private void update(int[] nearest) {
        int k = means.length / d;
        double[] sums = new double[means.length];
        int[] counts = new int[k];
        for (int n = 0; n < nearest.length; n++) {
            counts[nearest[n]]++;
            for (int i = 0; i < d; i++) {
                sums[nearest[n] * d + i] += points[n * d + i];
            }
        }
        boolean lonely = Arrays.stream(counts).anyMatch(count -> count == 0);
        int[] far = lonely ? farthest(nearest) : null;
        int used = 0;
        for (int v = 0; v < k; v++) {
            if (counts[v] > 0) {
                for (int i = 0; i < d; i++) {
                    means[v * d + i] = (float) (sums[v * d + i] / counts[v]);
                }
            } else {
                System.arraycopy(points, far[used++] * d, means, v * d, d);
            }
        }
    }

    /** All points, those that lie farthest from their mean first. */
    private int[] farthest(int[] nearest) {
        double[] distance = new double[nearest.length];
        Arrays.setAll(distance, n -> distance(n, nearest[n]));
        return IntStream.range(0, nearest.length)
                .boxed()
                .sorted(Comparator.comparingDouble((Integer n) -> -distance[n]))
                .mapToInt(n -> n)
                .toArray();
    }

    private double distance(int point, int mean) {
        double sum = 0;
        for (int i = 0; i < d; i++) {
            double off = points[point * d + i] - means[mean * d + i];
            sum += off * off;
        }
        return sum;
    }
}
