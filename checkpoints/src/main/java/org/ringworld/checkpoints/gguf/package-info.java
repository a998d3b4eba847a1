/**
 * GGUF, the one file in which llama.cpp and what is built on it take a model. Begin with {@link
 * LlamaGguf}, which says how a LLaMA is written in it.
 */
package org.ringworld.checkpoints.gguf;
