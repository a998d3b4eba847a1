/**
 * Ring attention (Liu et al. 2023): which tokens a rank holds, which tiles of keys and values
 * travel over which link, and attention to them block by block. Begin with {@link RingAttention},
 * then {@link RingPlan} and {@link ZigzagLayout}. For decoding there is {@link PagedAttention}.
 */
package org.ringworld.model.attention;
