/**
 * LWM's JAX checkpoints, in and out: a stream of MessagePack records with a flax array each. Begin
 * with {@link LwmStream}; {@link LwmNames} says what their weights are called here and how they
 * lie.
 */
package org.ringworld.checkpoints.lwm;
