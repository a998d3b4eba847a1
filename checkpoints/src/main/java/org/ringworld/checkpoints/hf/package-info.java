/**
 * Hugging Face's model directories: {@code config.json}, the names and shapes of a LLaMA's weights,
 * and the writing of both. Begin with {@link LlamaConfig}, the sizes of a model for all modules
 * above, then {@link LlamaTensors} and {@link HfDirectory}.
 */
package org.ringworld.checkpoints.hf;
