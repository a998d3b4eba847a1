package org.ringworld.actors.http.openai;

import java.util.concurrent.atomic.AtomicInteger;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** What a request has used so far; from any thread. */
public final class Usage {
    private final int prompt;
    private final AtomicInteger cached = new AtomicInteger();
    private final AtomicInteger written = new AtomicInteger();

    /**
     * @param prompt tokens of all prompts
     */
    public Usage(int prompt) {
        this.prompt = prompt;
    }

    public void cached(int tokens) {
        cached.addAndGet(tokens);
    }

    public void written(int tokens) {
        written.addAndGet(tokens);
    }

    public ObjectNode json() {
        int so = written.get();
        ObjectNode all =
                JsonMapper.shared()
                        .createObjectNode()
                        .put("prompt_tokens", prompt)
                        .put("completion_tokens", so)
                        .put("total_tokens", prompt + so);
        all.putObject("prompt_tokens_details").put("cached_tokens", cached.get());
        return all;
    }
}
