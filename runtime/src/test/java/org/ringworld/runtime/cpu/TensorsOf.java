package org.ringworld.runtime.cpu;

import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.ScaleGroups;
import org.ringworld.runtime.Tensor;

/** Tensors of a device from Java arrays, and back. */
public record TensorsOf(Device device) {
    public Tensor values(DType dtype, float[] values, long... shape) {
        Tensor t = device.tensor(dtype, shape);
        if (dtype == DType.I8) {
            PlainOracle.kernels().copy(f32(values, shape), t);
        } else if (dtype == DType.F32) {
            device.copyIn(MemorySegment.ofArray(values), t);
        } else {
            short[] bits = new short[values.length];
            for (int i = 0; i < bits.length; i++) {
                bits[i] = DType.toBf16(values[i]);
            }
            device.copyIn(MemorySegment.ofArray(bits), t);
        }
        return t;
    }

    public Tensor f32(float[] values, long... shape) {
        return values(DType.F32, values, shape);
    }

    public Tensor f32(double[] values, long... shape) {
        return f32(floats(values), shape);
    }

    public Tensor ints(int... values) {
        Tensor t = device.tensor(DType.I32, values.length);
        device.copyIn(MemorySegment.ofArray(values), t);
        return t;
    }

    public Tensor zeros(long... shape) {
        return device.tensor(DType.F32, shape);
    }

    /** What a tensor holds, as floats whatever its value dtype. */
    public float[] read(Tensor t) {
        float[] values = new float[(int) t.size()];
        if (t.dtype() == DType.F32) {
            device.copyOut(t, MemorySegment.ofArray(values));
        } else if (t.dtype() == DType.I8) {
            byte[] integers = new byte[values.length];
            device.copyOut(t, MemorySegment.ofArray(integers));
            float[] scales = read(t.scales());
            ScaleGroups groups = t.groups();
            for (int i = 0; i < integers.length; i++) {
                values[i] = integers[i] * scales[(int) groups.of(i)];
            }
        } else {
            short[] bits = new short[values.length];
            device.copyOut(t, MemorySegment.ofArray(bits));
            for (int i = 0; i < bits.length; i++) {
                values[i] = DType.fromBf16(bits[i]);
            }
        }
        return values;
    }

    int[] readInts(Tensor t) {
        int[] values = new int[(int) t.size()];
        device.copyOut(t, MemorySegment.ofArray(values));
        return values;
    }

    public static float[] floats(double[] values) {
        float[] f = new float[values.length];
        for (int i = 0; i < f.length; i++) {
            f[i] = (float) values[i];
        }
        return f;
    }

    /** Normal values, each already an F32. */
    public static double[] normal(Random random, int n) {
        double[] x = new double[n];
        for (int i = 0; i < n; i++) {
            x[i] = (float) random.nextGaussian();
        }
        return x;
    }
}
