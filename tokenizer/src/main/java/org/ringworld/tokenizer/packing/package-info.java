/**
 * Sequence packing: documents in rows of one length, with a position and a segment for each token,
 * and the order in which rows are trained on. Begin with {@link SequencePacking} and {@link Row};
 * training reads a {@link RowStream}.
 */
package org.ringworld.tokenizer.packing;
