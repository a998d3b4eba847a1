package org.ringworld.model.vision;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Frames;
import org.ringworld.model.decode.JointVocabulary;
import org.ringworld.model.decode.Sampler;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.chat.ChatText;
import org.ringworld.tokenizer.documents.VisionCodes;

/**
 * What a model is asked about pictures and for pictures, in LWM's words (lwm/vision_chat.py,
 * lwm/vision_generation.py).
 *
 * @param kinds of the model's tokens
 * @param tokensPerFrame codes of a frame
 * @param book codes that there are
 */
public record VisionPrompt(
        Tokenizer tokenizer, JointVocabulary kinds, int tokensPerFrame, int book) {
    private static final String BEGIN = "You are a helpful assistant. USER: ";
    private static final String ANSWER = " ASSISTANT:";

    /**
     * A question about frames, to be answered in text.
     *
     * @param codes of the frames, one after the other
     */
    public int[] see(String question, int[] codes) {
        return joined(
                tokenizer.prompt(BEGIN + question + "\n"), shown(codes), tokenizer.encode(ANSWER));
    }

    private int[] shown(int[] codes) {
        return joined(
                open(),
                ids(VisionCodes.withEnds(codes, tokensPerFrame)),
                tokenizer.encode(VisionCodes.END));
    }

    /**
     * A chat that is to be answered in text.
     *
     * @param parts of a template, tags among them
     * @param shown codes of the frames that each tag stands for, in order
     */
    public int[] chat(List<ChatText.Part> parts, List<int[]> shown) {
        List<int[]> ids = new ArrayList<>();
        int next = 0;
        for (ChatText.Part part : parts) {
            ids.add(part.tag() == null ? part.ids() : shown(shown.get(next++)));
        }
        return joined(ids.toArray(int[][]::new));
    }

    /**
     * A picture, or a film's first frame.
     *
     * @param plain whether the text is a caption as in pre-training, and no wish of a chat
     */
    public Ask draw(String text, boolean plain, Sampler sampler, double guidance) {
        return frames(wish("Generate an image of ", text, plain), 1, 1, sampler, guidance);
    }

    /**
     * The frames of a film after its first one.
     *
     * @param first its codes
     * @param count frames, with the first
     */
    public Ask film(
            String text, boolean plain, int[] first, int count, Sampler sampler, double guidance) {
        int[] seen = Arrays.copyOf(first, first.length + 1);
        seen[first.length] = VisionCodes.END_OF_FRAME;
        int[] prompt = joined(wish("Generate a video of ", text, plain), ids(seen));
        return frames(prompt, count - 1, count, sampler, guidance, ids(seen));
    }

    private int[] wish(String kind, String text, boolean plain) {
        String said = plain ? text : BEGIN + kind + text + ANSWER;
        // A piece begins with its space where the tokenizer puts one there itself.
        boolean isApart = plain || tokenizer.addsSpace();
        return joined(tokenizer.prompt(isApart ? said : said + " "), open());
    }

    /** The other stream sees no text: {@code <s><vision>}, and what has been shown. */
    private Ask frames(
            int[] prompt, int written, int count, Sampler sampler, double scale, int... seen) {
        int[] begin = tokenizer.addsBos() ? new int[] {tokenizer.bos()} : new int[0];
        Ask.Guidance guidance =
                scale == 1 ? null : new Ask.Guidance(joined(begin, open(), seen), scale);
        int end = kinds.of(Modality.VISION, VisionCodes.END_OF_VISION);
        int most = Math.multiplyExact(written, tokensPerFrame + 1);
        Frames frames = new Frames(open(), tokensPerFrame, book, count);
        return new Ask(prompt, most, sampler, Set.of(end), 0, 0, guidance, frames);
    }

    private int[] open() {
        return tokenizer.encode(VisionCodes.BEGIN);
    }

    private int[] ids(int[] codes) {
        return kinds.ofCodes(codes);
    }

    private static int[] joined(int[]... parts) {
        return Arrays.stream(parts).flatMapToInt(IntStream::of).toArray();
    }
}
