package org.ringworld.cli.vision;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Made;
import org.ringworld.model.vision.VisionPrompt;

/** Takes frames of codes from an answer. */
final class WrittenFrames {
    private WrittenFrames() {}

    /**
     * All frames that a model writes.
     *
     * @param each is given a frame's codes when it is whole
     */
    static List<int[]> of(Ask ask, Engine engine, VisionPrompt prompt, Consumer<int[]> each)
            throws InterruptedException {
        List<int[]> frames = new ArrayList<>();
        int[] frame = new int[prompt.tokensPerFrame()];
        int at = 0;
        FramesLine line = new FramesLine(ask.most() / (frame.length + 1));
        try (Answer answer = engine.ask(ask)) {
            for (Made.Token token = answer.next(); token != null; token = answer.next()) {
                if (at < frame.length) {
                    frame[at++] = prompt.kinds().code(token.id());
                    continue;
                }
                frames.add(frame.clone());
                each.accept(frames.getLast());
                line.add();
                at = 0;
            }
        }
        return frames;
    }
}
