/**
 * The files that documents come from, whatever they are written in: plain and packed text and JSON,
 * Parquet tables, directories and patterns of them. Begin with {@link TextFiles}; what it reads is
 * an {@link Example}.
 */
package org.ringworld.tokenizer.sources;
