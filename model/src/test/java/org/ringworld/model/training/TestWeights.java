package org.ringworld.model.training;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.ringworld.model.layers.WholeParameters;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.CpuDevice;

/** Changes to single weights, for derivatives. */
final class TestWeights {
    private TestWeights() {}

    static void addTo(WholeParameters parameters, String name, float[] direction, double scale) {
        for (int i = 0; i < parameters.specs().size(); i++) {
            if (!parameters.specs().get(i).name().equals(name)) {
                continue;
            }
            Tensor master = parameters.master(i);
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment host = arena.allocate(master.bytes(), 64);
                ((CpuDevice) master.device()).copyOut(master, host);
                for (int j = 0; j < direction.length; j++) {
                    float old = host.getAtIndex(ValueLayout.JAVA_FLOAT, j);
                    host.setAtIndex(
                            ValueLayout.JAVA_FLOAT, j, (float) (old + scale * direction[j]));
                }
                parameters.set(i, host);
            }
        }
    }
}
