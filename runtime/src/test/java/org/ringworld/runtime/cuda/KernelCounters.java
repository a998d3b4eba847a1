package org.ringworld.runtime.cuda;

import java.util.ArrayList;
import java.util.List;

/**
 * What a kernel did on the emulated card, over all its launches. A sector is 32 bytes of global
 * memory, counted once per access of a warp: sectors times 32 over bytes is 1 where accesses are
 * coalesced. Wavefronts over accesses of shared memory is 1 where no two lanes want different words
 * of a bank.
 */
public record KernelCounters(
        long launches,
        long warpInstructions,
        long threadInstructions,
        long flops,
        long tensorFlops,
        long bytesRead,
        long bytesWritten,
        long sectorsRead,
        long sectorsWritten,
        long sharedAccesses,
        long sharedWavefronts) {

    static KernelCounters parse(String line) {
        List<Long> n = new ArrayList<>();
        for (String word : line.split(" ")) {
            n.add(Long.parseLong(word));
        }
        return new KernelCounters(
                n.get(0), n.get(1), n.get(2), n.get(3), n.get(4), n.get(5), n.get(6), n.get(7),
                n.get(8), n.get(9), n.get(10));
    }

    /** What was done since {@code before}. */
    KernelCounters since(KernelCounters before) {
        return new KernelCounters(
                launches - before.launches,
                warpInstructions - before.warpInstructions,
                threadInstructions - before.threadInstructions,
                flops - before.flops,
                tensorFlops - before.tensorFlops,
                bytesRead - before.bytesRead,
                bytesWritten - before.bytesWritten,
                sectorsRead - before.sectorsRead,
                sectorsWritten - before.sectorsWritten,
                sharedAccesses - before.sharedAccesses,
                sharedWavefronts - before.sharedWavefronts);
    }
}
