/**
 * Documents, from their files to packed rows: text and JSON lines, LWM's language of fields with
 * its loss weights, tokenization by all cores into a cache on disk. Begin with {@link
 * TextDocuments}, then {@link FieldLanguage} and {@link Tokenization}.
 */
package org.ringworld.tokenizer.documents;
