package org.ringworld.actors.http.openai;

import java.util.List;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Made;
import org.ringworld.tokenizer.TextDecoder;
import org.ringworld.tokenizer.Tokenizer;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.DoubleNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code text_completion}. */
public final class CompletionShape implements ChoiceShape {
    private static final List<String> LISTS =
            List.of("tokens", "token_logprobs", "top_logprobs", "text_offset");

    private final int index;
    private final boolean logprobs;
    private final TokenNames names;
    // Models may have more tokens than their tokenizers.
    private final int vocabSize;
    // Says again what was written, to know where in it each token begins.
    private final TextDecoder decoder;
    private int offset;

    /**
     * @param decoder that has heard the prompt, or will hear it as an echo
     */
    public CompletionShape(int index, boolean logprobs, Tokenizer tokenizer, TextDecoder decoder) {
        this.index = index;
        this.logprobs = logprobs;
        this.names = new TokenNames(tokenizer);
        this.vocabSize = tokenizer.vocabSize();
        this.decoder = decoder;
    }

    @Override
    public ObjectNode first() {
        return null;
    }

    @Override
    public Part echo(int[] prompt, Answer answer) {
        ObjectNode told = answer == null ? null : empty();
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < prompt.length; i++) {
            if (told != null) {
                add(told, prompt[i]);
                if (i == 0) {
                    told.withArray("token_logprobs").addNull();
                    told.withArray("top_logprobs").addNull();
                } else {
                    double logprob = answer.scores()[i];
                    told.withArray("token_logprobs").add(logprob);
                    top(told, prompt[i], logprob, answer.likeliest(i));
                }
            }
            text.append(heard(prompt[i]));
        }
        return new Part(text.toString(), told);
    }

    @Override
    public Part part(String text, List<Made.Token> tokens) {
        if (!logprobs) {
            return new Part(text, null);
        }
        ObjectNode told = empty();
        for (Made.Token token : tokens) {
            add(told, token.id());
            told.withArray("token_logprobs").add(token.logprob());
            top(told, token.id(), token.logprob(), token.alternatives());
            heard(token.id());
        }
        return new Part(text, told);
    }

    private String heard(int id) {
        String text = id < vocabSize ? decoder.next(id) : "";
        offset += text.length();
        return text;
    }

    private static ObjectNode empty() {
        ObjectNode told = JsonMapper.shared().createObjectNode();
        LISTS.forEach(told::putArray);
        return told;
    }

    private void add(ObjectNode told, int id) {
        told.withArray("tokens").add(names.name(id));
        told.withArray("text_offset").add(offset);
    }

    /**
     * The likeliest, and the one that stands there. Of tokens with the same text, as a letter and
     * its byte in SentencePiece, the likelier is told: clients see by it whether a text is greedy.
     */
    private void top(ObjectNode told, int id, double logprob, List<Made.Alternative> likeliest) {
        ObjectNode top = told.withArray("top_logprobs").addObject();
        for (Made.Alternative one : likeliest) {
            top.putIfAbsent(names.name(one.id()), DoubleNode.valueOf(one.logprob()));
        }
        top.putIfAbsent(names.name(id), DoubleNode.valueOf(logprob));
    }

    @Override
    public ObjectNode choice(List<Part> parts, String finish, boolean streamed) {
        StringBuilder text = new StringBuilder();
        parts.forEach(part -> text.append(part.text()));
        ObjectNode choice =
                JsonMapper.shared()
                        .createObjectNode()
                        .put("index", index)
                        .put("text", text.toString());
        choice.set("logprobs", logprobs && !parts.isEmpty() ? joined(parts) : null);
        return choice.put("finish_reason", finish);
    }

    private static JsonNode joined(List<Part> parts) {
        ObjectNode all = empty();
        for (Part part : parts) {
            for (String list : LISTS) {
                ArrayNode more = part.logprobs().withArray(list);
                all.withArray(list).addAll(more);
            }
        }
        return all;
    }
}
