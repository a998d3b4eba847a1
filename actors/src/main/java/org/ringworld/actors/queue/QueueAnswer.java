package org.ringworld.actors.queue;

import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What the queue answers.
 *
 * @param done whether what was asked for was done
 * @param text JSON, or the sentence that says why not
 */
public record QueueAnswer(boolean done, String text) {
    static final QueueAnswer DONE = new QueueAnswer(true, "{}");

    static QueueAnswer of(JsonNode answer) {
        return new QueueAnswer(true, answer.toString());
    }

    static QueueAnswer ofId(String id) {
        return of(JsonMapper.shared().createObjectNode().put("id", id));
    }
}
