/**
 * NVIDIA GPUs as devices: CUDA's driver through JCuda, kernels in CUDA C++ ({@code
 * runtime/src/main/cuda}) compiled for the card that is there, and the host's cuBLASLt and NVRTC
 * through {@code java.lang.foreign}, of whichever version it has.
 */
package org.ringworld.runtime.cuda;
