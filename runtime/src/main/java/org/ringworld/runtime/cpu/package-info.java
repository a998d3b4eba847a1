/**
 * The CPU as a device, and benchmarks of its kernels beside the limits of the machine. Begin with
 * {@link PlainKernels}, where each kernel is a plain loop that says what it computes, and {@link
 * VectorKernels} beside it, which computes the same fast.
 */
package org.ringworld.runtime.cpu;
