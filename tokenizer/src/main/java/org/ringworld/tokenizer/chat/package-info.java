/**
 * Chats as the text that a model goes on from. Begin with {@link ChatTemplate}; the other classes
 * read the language of such templates: {@link JinjaLexer} makes tokens of a text, {@link
 * JinjaParser} statements of these, and {@link JinjaBudget} ends what takes too much, since
 * templates come with models of strangers.
 */
package org.ringworld.tokenizer.chat;
