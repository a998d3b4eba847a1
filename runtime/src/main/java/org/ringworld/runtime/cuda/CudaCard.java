package org.ringworld.runtime.cuda;

import java.util.ArrayList;
import java.util.List;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdevice_attribute;
import jcuda.driver.JCudaDriver;

/**
 * A card of this host, whether or not it can be used.
 *
 * @param index as the driver counts
 * @param name {@code NVIDIA H200}
 * @param memory bytes that it has
 * @param reason why it cannot be used, in a sentence; null: it can
 */
public record CudaCard(int index, String name, long memory, String reason) {
    /** The first that have what the kernels are written for: BF16 tensor cores, cp.async. */
    private static final int LEAST_ARCHITECTURE = 80;

    public boolean usable() {
        return reason == null;
    }

    /** All that the driver sees; none where there is no driver. */
    public static List<CudaCard> list() {
        if (CudaDriver.reason() != null) {
            return List.of();
        }
        int[] count = new int[1];
        CudaDriver.check(JCudaDriver.cuDeviceGetCount(count), "counting the cards");
        List<CudaCard> cards = new ArrayList<>();
        for (int i = 0; i < count[0]; i++) {
            cards.add(of(i));
        }
        return cards;
    }

    /** Those that can be used. */
    public static List<CudaCard> usableOnes() {
        return list().stream().filter(CudaCard::usable).toList();
    }

    /** Why this host has no card at all, in a sentence; null: it may have some. */
    public static String noDriver() {
        return CudaDriver.reason();
    }

    /** Driver, compilers and libraries that there are: {@code driver of CUDA 13.0, nvcc 13.0}. */
    public static String versions() {
        List<String> parts = new ArrayList<>();
        if (CudaDriver.reason() == null) {
            parts.add("driver of CUDA " + CudaDriver.versionName(CudaDriver.version()));
        }
        parts.addAll(CompiledKernels.compilers());
        if (CublasLt.reason() == null) {
            parts.add(CublasLt.name());
        }
        return String.join(", ", parts);
    }

    private static CudaCard of(int index) {
        CUdevice device = new CUdevice();
        CudaDriver.check(JCudaDriver.cuDeviceGet(device, index), "asking for card " + index);
        byte[] name = new byte[256];
        CudaDriver.check(
                JCudaDriver.cuDeviceGetName(name, name.length, device), "asking a card its name");
        long[] memory = new long[1];
        CudaDriver.check(
                JCudaDriver.cuDeviceTotalMem(memory, device), "asking a card for its memory");
        String text = new String(name);
        return new CudaCard(
                index, text.substring(0, text.indexOf('\0')), memory[0], reason(device));
    }

    private static String reason(CUdevice device) {
        int architecture = architecture(device);
        if (architecture < LEAST_ARCHITECTURE) {
            return "its compute capability is %d.%d, less than 8.0"
                    .formatted(architecture / 10, architecture % 10);
        }
        return CompiledKernels.reason() != null ? CompiledKernels.reason() : CublasLt.reason();
    }

    /** 90 for a Hopper. */
    static int architecture(CUdevice device) {
        return 10
                        * attribute(
                                device,
                                CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)
                + attribute(
                        device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    }

    private static int attribute(CUdevice device, int attribute) {
        int[] value = new int[1];
        CudaDriver.check(
                JCudaDriver.cuDeviceGetAttribute(value, attribute, device), "asking a card");
        return value[0];
    }
}
