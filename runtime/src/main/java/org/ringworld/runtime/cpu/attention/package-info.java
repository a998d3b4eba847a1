/**
 * Blockwise attention on a CPU, forward and backward: tiles of queries against tiles of keys with a
 * running softmax; tiles that no query can see are skipped. Begin with {@link PlainAttention}, the
 * plain loop, then {@link VectorAttention} (F32, in the micro-kernel of the matrix products) and
 * {@link LibraryAttention} (BF16, products by oneDNN).
 */
package org.ringworld.runtime.cpu.attention;
