package org.ringworld.tokenizer.suites;

import java.util.List;
import org.ringworld.tokenizer.chat.ChatTemplate.Message;

/**
 * What a model is asked, and what is right.
 *
 * @param messages one of the user with all text, or a conversation that ends with the user's
 * @param begin of the answer, given with the question; empty: none
 * @param answers what a right answer has: all of them or one of them, as its task scores
 */
public record Question(List<Message> messages, String begin, List<String> answers) {
    private static final String USER = "User: ";
    private static final String ASSISTANT = "Assistant:";
    private static final String BETWEEN = "\n\n";

    static Question of(String prompt, String begin, List<String> answers) {
        return new Question(List.of(new Message("user", prompt)), begin, answers);
    }

    /** All that is asked, as a text that a model goes on from. */
    public String text() {
        if (messages.size() == 1) {
            return messages.getFirst().content() + begin;
        }
        StringBuilder text = new StringBuilder();
        for (Message message : messages) {
            text.append(message.role().equals("user") ? USER : ASSISTANT + " ");
            text.append(message.content()).append(BETWEEN);
        }
        return text.append(ASSISTANT).append(begin).toString();
    }

    /** Texts that end an answer, where it goes on from {@link #text}. */
    public List<String> stops() {
        return messages.size() == 1 ? List.of() : List.of(BETWEEN + USER.strip());
    }
}
