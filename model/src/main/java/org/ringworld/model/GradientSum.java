package org.ringworld.model;

import java.util.ArrayDeque;
import java.util.Deque;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;

/**
 * The sum of gradients over a ring, hidden behind backward: as soon as this rank is done with the
 * gradients of some layers, they are summed while it goes on with the layers before. Each rank
 * begins the same sums in the same order, so none waits for what another has yet to begin.
 */
final class GradientSum {
    /** Elements that are worth a sum of their own: 2 MiB; a small model has one for all. */
    private static final long LEAST = 1L << 19;

    /** Elements of one sum at most, for the memory that is set aside for it: 64 MiB. */
    private static final long MOST = 1L << 24;

    private static final int AT_ONCE = 4;

    private final Ring ring;
    private final Device device;
    private final Tensor gradients;
    private final Frame name;
    private final Deque<AllReduce> begun = new ArrayDeque<>();
    private long wholeFrom;
    private int sums;

    /**
     * @param gradients F32 [n], in the order of the layers
     */
    GradientSum(Ring ring, Device device, Tensor gradients, long step) {
        this.ring = ring;
        this.device = device;
        this.gradients = gradients;
        this.name = Frame.of(step, 0);
        this.wholeFrom = gradients.size();
    }

    /** This rank adds nothing more to the gradients from this element on. */
    void wholeFrom(long element) {
        begun.forEach(AllReduce::advance);
        while (ring.size() > 1 && wholeFrom - element >= LEAST) {
            begin(Math.max(element, wholeFrom - MOST));
        }
    }

    /** Waits for the sums of all gradients, which are whole now. */
    void finish() {
        wholeFrom(0);
        if (ring.size() > 1 && wholeFrom > 0) {
            begin(0);
        }
        begun.forEach(AllReduce::finish);
        begun.clear();
    }

    private void begin(long element) {
        if (begun.size() == AT_ONCE) {
            begun.remove().finish();
        }
        Tensor part = gradients.rows(element, wholeFrom);
        begun.add(new AllReduce(ring, device, part, name.ofLayer(sums++)));
        wholeFrom = element;
    }
}
