/**
 * Matrix products of a CPU: in Java by panels, of BF16 by oneDNN where it loads, and of a few rows
 * as in decoding. Begin with {@link MicroKernel}, the inner loop of those in Java, then {@link
 * PanelMatmul}.
 */
package org.ringworld.runtime.cpu.matmul;
