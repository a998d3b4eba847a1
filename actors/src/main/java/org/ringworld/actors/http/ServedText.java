package org.ringworld.actors.http;

import org.ringworld.model.decode.Engine;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.chat.ChatTemplate;

/**
 * A model that the front answers with.
 *
 * @param name by which clients ask for it
 * @param engine owned by whoever serves it
 * @param vocabSize of the model, which may have more tokens than its tokenizer
 * @param longest tokens that a text may have, the prompt among them: the model's context, or what
 *     there is room for
 * @param created seconds since 1970
 * @param pictures null where the model takes text alone
 */
public record ServedText(
        String name,
        Engine engine,
        Tokenizer tokenizer,
        ChatTemplate template,
        int vocabSize,
        int longest,
        long created,
        SeenPictures pictures) {}
