package org.ringworld.actors.serving;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.function.Consumer;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Made;

/** A text that somebody asks a front for, and what came of it: enough for anybody to go on. */
final class FrontText {
    final OfferedModel model;
    final Answer answer;

    /** Of its last asking. */
    long number;

    private final Ask ask;
    private final List<Integer> emitted = new ArrayList<>();
    private final BitSet scored = new BitSet();
    private boolean begun;
    private boolean last;
    private boolean ended;

    /**
     * @param onClose is told where nobody waits for it any more
     */
    FrontText(OfferedModel model, Ask ask, Consumer<FrontText> onClose) {
        this.model = model;
        this.ask = ask;
        this.answer = new Answer(ask, () -> onClose.accept(this));
    }

    /** What is to be asked, now that some is known. */
    Ask rest() {
        if (!ask.scores()) {
            return ask;
        }
        return new Ask(
                ask.prompt(),
                ask.most(),
                ask.sampler(),
                ask.ends(),
                ask.alternatives(),
                isScored() ? 0 : scored.nextClearBit(ask.scoresFrom()),
                ask.guidance(),
                ask.frames());
    }

    /** Tokens that were written. */
    int[] emitted() {
        return emitted.stream().mapToInt(Integer::intValue).toArray();
    }

    int heard() {
        return emitted.size();
    }

    private boolean isScored() {
        return !ask.scores() || scored.nextClearBit(ask.scoresFrom()) >= ask.prompt().length;
    }

    /** Whether there is nothing more to come. */
    boolean isComplete() {
        return isScored() && (last || (ended && ask.most() == 0));
    }

    /** Whoever read and wrote it has come to its end. */
    void ends() {
        ended = true;
    }

    /** Its prompt has been read so far; more than once where a serving was lost. */
    void begins(int cachedTokens, int readTokens) {
        if (!begun) {
            begun = true;
            answer.begins(cachedTokens);
        }
        answer.read(readTokens);
    }

    /** Of tokens that are scored once more, the first score stands. */
    void scored(Made.Scores some) {
        for (int from = scored.nextClearBit(some.from()); from < some.to(); ) {
            int known = scored.nextSetBit(from);
            int to = known < 0 ? some.to() : Math.min(known, some.to());
            answer.scored(some.part(from, to));
            scored.set(from, to);
            from = scored.nextClearBit(to);
        }
    }

    /**
     * Takes the next token; one that it has is dropped.
     *
     * @return false: one before it is missing
     */
    boolean token(Made.Token token) {
        if (token.index() > emitted.size()) {
            return false;
        }
        if (token.index() == emitted.size()) {
            emitted.add(token.id());
            last = token.last();
            answer.token(token);
        }
        return true;
    }
}
