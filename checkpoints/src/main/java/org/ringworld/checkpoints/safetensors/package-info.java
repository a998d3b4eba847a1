/**
 * The safetensors format: mapped into memory to read, a stream of tensors to write. Begin with
 * {@link SafeTensors}; what is wrong with a header is found in {@link SafeTensorsHeader}.
 */
package org.ringworld.checkpoints.safetensors;
