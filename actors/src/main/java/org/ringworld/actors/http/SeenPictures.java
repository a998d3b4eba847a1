package org.ringworld.actors.http;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import org.ringworld.model.vision.TokenizerRing;
import org.ringworld.model.vision.VisionPrompt;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.media.Picture;
import org.ringworld.tokenizer.media.PictureFile;

/**
 * The codes of the pictures that clients show: one picture at a time is encoded, on the thread of
 * its request, and the newest are kept, as each turn of a chat shows the earlier ones' again.
 */
public final class SeenPictures implements AutoCloseable {
    /** Pictures whose codes are kept, 1 KiB each with LWM's tokenizer. */
    private static final int KEPT = 256;

    private final TokenizerRing images;
    private final VisionPrompt prompt;
    private final LinkedHashMap<String, int[]> seen = new LinkedHashMap<>(16, 0.75f, true);

    /**
     * @param images closed with this
     */
    public SeenPictures(TokenizerRing images, VisionPrompt prompt) {
        this.images = images;
        this.prompt = prompt;
    }

    VisionPrompt prompt() {
        return prompt;
    }

    /**
     * Codes of a picture file's content.
     *
     * @throws DataException where it is damaged, too large, or no picture
     */
    synchronized int[] codes(byte[] file) throws DataException, InterruptedException {
        String key = sha256(file);
        int[] known = seen.get(key);
        if (known != null) {
            return known;
        }
        Picture picture = PictureFile.read(file, "the picture");
        if (picture == null) {
            throw new DataException("the picture is of no kind that is known: png, jpg, gif, webp");
        }
        int[][] codes = new int[1][];
        float[] values = picture.fitted(images.tokenizer().resolution()).values();
        images.encode(List.of(values).iterator(), frame -> codes[0] = frame);
        seen.put(key, codes[0]);
        if (seen.size() > KEPT) {
            seen.pollFirstEntry();
        }
        return codes[0];
    }

    private static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // every Java has it
        }
    }

    @Override
    public void close() {
        images.close();
    }
}
