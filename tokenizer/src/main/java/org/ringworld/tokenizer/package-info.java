/**
 * Text to tokens and back, and tokens to rows: documents and made-up tasks, packed into sequences
 * with positions, segments, targets and weights. Begin with {@link Tokenizer}, whose {@code load}
 * takes any tokenizer of a model directory.
 *
 * <p>A stream of rows is a pure function of (seed, stage, step): a resumed run needs no replay and
 * gets the same rows, bit for bit.
 */
package org.ringworld.tokenizer;
