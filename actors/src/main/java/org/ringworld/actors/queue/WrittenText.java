package org.ringworld.actors.queue;

import java.util.ArrayList;
import java.util.List;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Made;
import org.ringworld.model.decode.Scheduler;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** What was written of a text so far, until somebody asks for it. */
final class WrittenText implements Scheduler.Listener {
    private final boolean scored;
    private final List<Made.Token> tokens = new ArrayList<>();
    private final List<Made.Scores> scores = new ArrayList<>();
    private int cached;
    private boolean over;
    private String fault;
    private boolean told;

    WrittenText(Ask ask) {
        this.scored = ask.scores();
    }

    @Override
    public synchronized void begins(int cachedTokens) {
        cached = cachedTokens;
    }

    @Override
    public synchronized void token(Made.Token token) {
        tokens.add(token);
    }

    @Override
    public synchronized void scored(Made.Scores some) {
        scores.add(some);
    }

    @Override
    public synchronized void ended(String why) {
        over = true;
        fault = why;
    }

    /** Tokens from one on, and once it is over, that and the scores. */
    synchronized ObjectNode from(int first) {
        ObjectNode text = JsonMapper.shared().createObjectNode().put("cached", cached);
        ArrayNode some = text.putArray("tokens");
        tokens.subList(Math.min(first, tokens.size()), tokens.size()).forEach(some::addPOJO);
        if (over) {
            text.put("over", true).put("fault", fault);
            if (scored) {
                text.set("scores", JsonMapper.shared().valueToTree(scores));
            }
            told = true;
        }
        return text;
    }

    /** Whether somebody knows all of it. */
    synchronized boolean isTold() {
        return told;
    }
}
