/**
 * Tasks that make up their own documents: copying, keys with numbers, needles in a haystack. Begin
 * with {@link NeedleTask}, which retrieval is trained and evaluated by.
 */
package org.ringworld.tokenizer.tasks;
