package org.ringworld.checkpoints;

import java.util.Arrays;

/** Name and shape of a stored tensor; the last axis is contiguous. */
public record TensorSpec(String name, long[] shape) {
    /** Elements. */
    public long count() {
        long n = 1;
        for (long d : shape) {
            n = Math.multiplyExact(n, d);
        }
        return n;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof TensorSpec t
                && name.equals(t.name)
                && Arrays.equals(shape, t.shape);
    }

    @Override
    public int hashCode() {
        return 31 * name.hashCode() + Arrays.hashCode(shape);
    }

    @Override
    public String toString() {
        return name + " " + Arrays.toString(shape);
    }
}
