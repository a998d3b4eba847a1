/**
 * Text generation, a token at a time, from a cache of keys and values. Programs begin with {@link
 * Continuation#write}; {@link Generator} has the cache, {@link Sampler} chooses the next token.
 */
package org.ringworld.model.decode;
