/**
 * The kernels of image models on a CPU: {@link PlainVision} says what each computes, {@link
 * VectorVision} does it in vectors, on the device's team of threads.
 */
package org.ringworld.runtime.cpu.vision;
