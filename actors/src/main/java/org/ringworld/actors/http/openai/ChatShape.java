package org.ringworld.actors.http.openai;

import java.util.List;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Made;
import org.ringworld.tokenizer.Tokenizer;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code chat.completion}. */
public final class ChatShape implements ChoiceShape {
    private final int index;
    private final boolean logprobs;
    private final TokenNames names;

    public ChatShape(int index, boolean logprobs, Tokenizer tokenizer) {
        this.index = index;
        this.logprobs = logprobs;
        this.names = new TokenNames(tokenizer);
    }

    @Override
    public ObjectNode first() {
        ObjectNode choice = JsonMapper.shared().createObjectNode().put("index", index);
        choice.putObject("delta").put("role", "assistant").put("content", "");
        choice.putNull("logprobs");
        return choice.putNull("finish_reason");
    }

    @Override
    public Part echo(int[] prompt, Answer answer) {
        throw new IllegalStateException("a chat is not echoed");
    }

    @Override
    public Part part(String text, List<Made.Token> tokens) {
        if (!logprobs) {
            return new Part(text, null);
        }
        ObjectNode told = JsonMapper.shared().createObjectNode();
        ArrayNode content = told.putArray("content");
        for (Made.Token token : tokens) {
            ObjectNode one = content.addObject();
            name(one, token.id(), token.logprob());
            ArrayNode top = one.putArray("top_logprobs");
            for (Made.Alternative other : token.alternatives()) {
                name(top.addObject(), other.id(), other.logprob());
            }
        }
        return new Part(text, told);
    }

    private void name(ObjectNode node, int id, double logprob) {
        node.put("token", names.name(id)).put("logprob", logprob);
        ArrayNode bytes = node.putArray("bytes");
        for (byte b : names.bytes(id)) {
            bytes.add(b & 0xff);
        }
    }

    @Override
    public ObjectNode choice(List<Part> parts, String finish, boolean streamed) {
        StringBuilder text = new StringBuilder();
        ObjectNode all = JsonMapper.shared().createObjectNode();
        ArrayNode content = all.putArray("content");
        for (Part part : parts) {
            text.append(part.text());
            if (logprobs) {
                ArrayNode more = part.logprobs().withArray("content");
                content.addAll(more);
            }
        }
        ObjectNode choice = JsonMapper.shared().createObjectNode().put("index", index);
        ObjectNode said = choice.putObject(streamed ? "delta" : "message");
        if (!streamed) {
            said.put("role", "assistant").put("content", text.toString()).putNull("refusal");
        } else if (!parts.isEmpty()) {
            said.put("content", text.toString());
        }
        choice.set("logprobs", logprobs && !parts.isEmpty() ? all.putNull("refusal") : null);
        return choice.put("finish_reason", finish);
    }
}
