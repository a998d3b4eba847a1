package org.ringworld.runtime.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class MachineLimitsTest {
    @Test
    void limitsArePlausible() {
        var limits = MachineLimits.measure(1);
        assertThat(limits.f32()).isBetween(1.0, 2000.0);
        assertThat(limits.read()).isBetween(0.5, 2000.0);
        assertThat(limits.bf16().isPresent())
                .isEqualTo(HostCpu.detect().bf16().orElse(false) && Bf16Loop.loaded() != null);
    }

    @Test
    void theHostSaysWhatItIs() {
        var host = HostCpu.detect();
        assertThat(host.model()).isNotBlank();
        assertThat(host.allowedCores()).isPositive();
        assertThat(host.vectorBits()).isGreaterThanOrEqualTo(64);
        assertThat(host.matmul()).isNotBlank();
    }
}
