package org.ringworld.tokenizer.documents;

/**
 * LWM's vision vocabulary: the codes of the VQGAN and two ends (LWM, §4.1). It is another table
 * than that of text; around the frames stand {@code <vision>} and {@code </vision>} as plain text.
 */
public final class VisionCodes {
    /** The codes are 0 to 8191. */
    public static final int COUNT = 8192;

    /** Comes after each frame but the last. */
    public static final int END_OF_FRAME = 8192;

    /** Comes after the last frame. */
    public static final int END_OF_VISION = 8193;

    /** Codes and ends. LWM's tables are padded to 8448. */
    static final int VOCAB_SIZE = 8194;

    public static final String BEGIN = "<vision>";
    public static final String END = "</vision>";

    private VisionCodes() {}

    static boolean isCode(int code) {
        return code >= 0 && code < COUNT;
    }

    /** At most so many frames, the first and the last among them, at even distances. */
    static int[] sample(int[] codes, int tokensPerFrame, int mostFrames) {
        int frames = codes.length / tokensPerFrame;
        if (mostFrames < 1 || frames <= mostFrames) {
            return codes;
        }
        int[] sampled = new int[mostFrames * tokensPerFrame];
        long[] picked = picked(frames, mostFrames);
        for (int i = 0; i < mostFrames; i++) {
            int from = (int) picked[i] * tokensPerFrame;
            System.arraycopy(codes, from, sampled, i * tokensPerFrame, tokensPerFrame);
        }
        return sampled;
    }

    /** Numbers of at most so many frames, the first and the last among them, at even distances. */
    public static long[] picked(long frames, int most) {
        long[] picked = new long[(int) Math.min(frames, most)];
        double step = picked.length < 2 ? 0 : (frames - 1.0) / (picked.length - 1);
        for (int i = 0; i < picked.length; i++) {
            // In floating point as LWM does it, but the last, which is exact there too.
            picked[i] = i > 0 && i == picked.length - 1 ? frames - 1 : (long) (i * step);
        }
        return picked;
    }

    /** Frames with their ends: what a model reads and writes. */
    public static int[] withEnds(int[] codes, int tokensPerFrame) {
        int frames = codes.length / tokensPerFrame;
        int[] with = new int[codes.length + frames];
        for (int f = 0; f < frames; f++) {
            int at = f * (tokensPerFrame + 1);
            System.arraycopy(codes, f * tokensPerFrame, with, at, tokensPerFrame);
            with[at + tokensPerFrame] = f == frames - 1 ? END_OF_VISION : END_OF_FRAME;
        }
        return with;
    }
}
