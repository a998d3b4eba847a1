package org.ringworld.runtime;

/** Checks at the door of a kernel; each error names the kernel and both shapes. */
public final class Shapes {
    private Shapes() {}

    /** Requires a condition that the two tensors must fulfil together. */
    public static void require(boolean condition, String kernel, Tensor a, Tensor b) {
        if (!condition) {
            throw new IllegalArgumentException("%s: %s does not fit %s".formatted(kernel, a, b));
        }
    }

    /** Requires equal element counts. */
    public static void sameSize(String kernel, Tensor a, Tensor b) {
        require(a.size() == b.size(), kernel, a, b);
    }

    /** Requires a dtype. */
    public static void dtype(String kernel, DType dtype, Tensor... tensors) {
        for (Tensor t : tensors) {
            if (t.dtype() != dtype) {
                throw new IllegalArgumentException(
                        "%s: %s where %s is needed".formatted(kernel, t, dtype));
            }
        }
    }

    /** Requires F32 or BF16. */
    public static void values(String kernel, Tensor... tensors) {
        for (Tensor t : tensors) {
            if (t.dtype() != DType.F32 && t.dtype() != DType.BF16) {
                throw new IllegalArgumentException(
                        "%s: %s where F32 or BF16 is needed".formatted(kernel, t));
            }
        }
    }

    /** Rows: all axes but the last. */
    public static long rows(Tensor t) {
        return t.dim(-1) == 0 ? 0 : t.size() / t.dim(-1);
    }
}
