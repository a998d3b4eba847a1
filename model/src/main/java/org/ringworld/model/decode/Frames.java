package org.ringworld.model.decode;

import java.util.Arrays;
import org.ringworld.tokenizer.documents.VisionCodes;

/**
 * How a text shows pictures: after the tokens of {@code <vision>} it goes on with vision codes, a
 * frame after the other, each closed by its end, up to the end of the last one (LWM, §4.1; its
 * lwm/vision_llama.py forces ends as we do, but writes that of a frame behind the last one, too).
 *
 * @param open the tokens that begin it
 * @param codes of a frame
 * @param book codes that there are, at most 8192
 * @param count frames, with those that the prompt ends with; 0: the model says itself which is the
 *     last
 */
public record Frames(int[] open, int codes, int book, int count) {
    public Frames {
        boolean isBook = book > 0 && book <= VisionCodes.COUNT;
        if (open.length == 0 || codes < 1 || !isBook || count < 0) {
            throw new IllegalArgumentException(
                    "%d frames of %d codes, of %d, behind %d tokens are nothing to show"
                            .formatted(count, codes, book, open.length));
        }
    }

    /** Whether the token after these is a vision code. */
    boolean isOpen(int[] ids, int length, JointVocabulary kinds) {
        int last = ids[length - 1];
        if (kinds.isCode(last)) {
            return kinds.code(last) != VisionCodes.END_OF_VISION;
        }
        int from = length - open.length;
        return from >= 0 && Arrays.equals(ids, from, length, open, 0, open.length);
    }

    /**
     * The next code of what is open.
     *
     * @param logits of the vision head; those that cannot come are changed
     * @param sampler whose repetition penalty is of texts alone
     * @return a vision code
     */
    int next(float[] logits, Sampler sampler, int[] ids, int length, JointVocabulary kinds) {
        int written = 0;
        int ends = 0;
        int at = length;
        while (at > 0 && kinds.isCode(ids[at - 1])) {
            at--;
            ends += kinds.code(ids[at]) >= VisionCodes.COUNT ? 1 : 0;
            written += ends == 0 ? 1 : 0;
        }
        boolean isWhole = written == codes;
        if (isWhole && count > 0) {
            return ends + 1 >= count ? VisionCodes.END_OF_VISION : VisionCodes.END_OF_FRAME;
        }
        int from = isWhole ? VisionCodes.COUNT : 0;
        int to = isWhole ? VisionCodes.END_OF_VISION + 1 : book;
        Arrays.fill(logits, 0, from, Float.NEGATIVE_INFINITY);
        Arrays.fill(logits, to, logits.length, Float.NEGATIVE_INFINITY);
        return sampler.withoutPenalty().next(logits, ids, length);
    }
}
