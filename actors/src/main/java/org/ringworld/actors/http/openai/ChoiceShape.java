package org.ringworld.actors.http.openai;

import java.util.List;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Made;
import tools.jackson.databind.node.ObjectNode;

/** How one text of a request looks in OpenAI's API: whole, or a part after the other. */
public sealed interface ChoiceShape permits CompletionShape, ChatShape {
    /** What a stream begins with; null: nothing. */
    ObjectNode first();

    /**
     * The prompt, as the first part of the text.
     *
     * @param answer that scored it; null: nobody asked
     */
    Part echo(int[] prompt, Answer answer);

    /**
     * A part of the text.
     *
     * @param tokens of it
     */
    Part part(String text, List<Made.Token> tokens);

    /**
     * Parts, joined, as a choice of an answer.
     *
     * @param finish why it ended; null: it goes on
     */
    ObjectNode choice(List<Part> parts, String finish, boolean streamed);

    /**
     * @param logprobs in the shape's own form; null: nobody asked
     */
    record Part(String text, ObjectNode logprobs) {}
}
