/**
 * The suites that long contexts are measured by today, made of the user's own texts or of made-up
 * prose: nothing is downloaded. Begin with {@link Suite}, which names them, and {@link Prompt},
 * which makes a question as long as it is to be; each family of tasks is a file.
 */
package org.ringworld.tokenizer.suites;
