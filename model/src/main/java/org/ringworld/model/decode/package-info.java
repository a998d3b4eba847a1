/**
 * Text generation: a {@link Generator} reads and goes on with sequences, whose keys and values lie
 * in pages that a {@link PageDirectory} gives them; a {@link Sampler} chooses the next token.
 * Programs begin with {@link Continuation#write}.
 */
package org.ringworld.model.decode;
