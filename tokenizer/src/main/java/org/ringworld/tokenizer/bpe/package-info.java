/**
 * Byte-pair encoding: SentencePiece's {@code tokenizer.model}, written out in Java, and Hugging
 * Face's {@code tokenizer.json}, read by Hugging Face's own library. Begin with {@link
 * SentencePieceTokenizer} and {@link BytePairMerger}.
 */
package org.ringworld.tokenizer.bpe;
