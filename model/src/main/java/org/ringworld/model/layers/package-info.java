/**
 * The LWM transformer, a LLaMA, with each backward pass written out beside its forward pass. Begin
 * with {@link Transformer} and {@link DecoderLayer}, which take their weights a layer at a time
 * from a {@link ParameterStore}: whole on the device, or mapped from a model's files.
 */
package org.ringworld.model.layers;
