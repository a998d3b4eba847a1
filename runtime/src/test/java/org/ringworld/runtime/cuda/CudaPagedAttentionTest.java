package org.ringworld.runtime.cuda;

import java.util.List;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.cpu.attention.PagedAttentionSuite;

/** Attention of a card to pages. */
class CudaPagedAttentionTest extends PagedAttentionSuite {
    @Override
    protected List<DeviceSpec> devices() {
        return TestCard.orSkip();
    }

    @Override
    protected List<Shape> shapes() {
        return List.of(
                new Shape(new int[] {1}, new int[] {1}, 16, 1, 1, 8),
                new Shape(new int[] {150, 0, 16, 33}, new int[] {1, 1, 1, 1}, 16, 6, 2, 20),
                new Shape(new int[] {70, 50}, new int[] {10, 50}, 48, 4, 1, 64));
    }
}
