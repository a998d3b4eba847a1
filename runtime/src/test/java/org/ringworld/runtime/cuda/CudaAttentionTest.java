package org.ringworld.runtime.cuda;

import java.util.List;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.cpu.attention.AttentionSuite;

/** Attention of a card: BF16 heads of 64 and 128 are the tensor cores', all others a row a warp. */
class CudaAttentionTest extends AttentionSuite {
    @Override
    protected List<DeviceSpec> devices() {
        return TestCard.orSkip();
    }

    @Override
    protected int[][] shapes() {
        return new int[][] {
            {1, 1, 1, 1, 1},
            {13, 67, 3, 1, 13},
            {34, 40, 2, 2, 33},
            {5, 33, 2, 1, 256},
            {1, 70, 4, 2, 64},
            {130, 100, 1, 1, 64},
            {66, 130, 2, 1, 128}
        };
    }
}
