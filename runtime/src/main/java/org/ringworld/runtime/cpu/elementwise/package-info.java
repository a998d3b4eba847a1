/**
 * The kernels of a CPU that are no products: embedding, RMS norm, rotary embedding, SwiGLU,
 * cross-entropy and AdamW. Begin with {@link Staging}, by which the loops see whole vectors of F32
 * alone, then {@link VectorElementwise}.
 */
package org.ringworld.runtime.cpu.elementwise;
