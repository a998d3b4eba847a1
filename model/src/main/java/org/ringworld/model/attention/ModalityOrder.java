package org.ringworld.model.attention;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * The S tokens of a block sorted by modality, text first, each modality in the block's order: what
 * a table of the model has to do with is then one run of rows, and it works on no other. Where all
 * tokens are of one modality nothing moves and nothing is copied.
 */
public final class ModalityOrder {
    private final int length;
    private final int text;
    // The token at each sorted place, and the place of each token; null where nothing moves.
    private final int[] tokens;
    private final int[] places;
    private final Tensor tokensOnDevice;
    private final Tensor placesOnDevice;

    /**
     * @param vision which of {@code length} tokens are vision codes; null: none is
     */
    ModalityOrder(boolean[] vision, int length, Device device, Workspace workspace) {
        this.length = length;
        this.text = vision == null ? length : countText(vision);
        boolean moves = text > 0 && text < length;
        this.tokens = moves ? new int[length] : null;
        this.places = moves ? new int[length] : null;
        this.tokensOnDevice = moves ? workspace.take(DType.I32, length) : null;
        this.placesOnDevice = moves ? workspace.take(DType.I32, length) : null;
        if (!moves) {
            return;
        }
        int nextText = 0;
        int nextVision = text;
        for (int i = 0; i < length; i++) {
            places[i] = vision[i] ? nextVision++ : nextText++;
            tokens[places[i]] = i;
        }
        try (Arena arena = Arena.ofConfined()) {
            device.copyIn(arena.allocateFrom(ValueLayout.JAVA_INT, tokens), tokensOnDevice);
            device.copyIn(arena.allocateFrom(ValueLayout.JAVA_INT, places), placesOnDevice);
        }
    }

    private static int countText(boolean[] vision) {
        int text = 0;
        for (boolean v : vision) {
            text += v ? 0 : 1;
        }
        return text;
    }

    /** Tokens of a modality. */
    public int count(Modality modality) {
        return modality == Modality.TEXT ? text : length - text;
    }

    /** The run of a modality in what is sorted. */
    public Tensor run(Modality modality, Tensor sorted) {
        return modality == Modality.TEXT ? sorted.rows(0, text) : sorted.rows(text, length);
    }

    public int[] sort(int[] x) {
        return pick(x, tokens);
    }

    public float[] sort(float[] x) {
        return pick(x, tokens);
    }

    public int[] restore(int[] sorted) {
        return pick(sorted, places);
    }

    public float[] restore(float[] sorted) {
        return pick(sorted, places);
    }

    /** Room for sorted values like x [S,E]; x itself where nothing moves. */
    public Tensor room(Tensor x, Workspace workspace) {
        return tokens == null ? x : workspace.take(x.dtype(), x.shape());
    }

    /** Values [S,E] sorted; x itself where nothing moves. */
    public Tensor sort(Kernels kernels, Tensor x, Workspace workspace) {
        Tensor sorted = room(x, workspace);
        if (tokens != null) {
            kernels.embedding(tokensOnDevice, x, sorted); // x is the table: rows are gathered
        }
        return sorted;
    }

    /** x = what was sorted [S,E], in the block's order again. */
    public void restore(Kernels kernels, Tensor sorted, Tensor x) {
        if (tokens != null) {
            kernels.embedding(placesOnDevice, sorted, x);
        }
    }

    private static int[] pick(int[] from, int[] at) {
        if (at == null) {
            return from;
        }
        int[] picked = new int[at.length];
        for (int i = 0; i < at.length; i++) {
            picked[i] = from[at[i]];
        }
        return picked;
    }

    private static float[] pick(float[] from, int[] at) {
        if (at == null) {
            return from;
        }
        float[] picked = new float[at.length];
        for (int i = 0; i < at.length; i++) {
            picked[i] = from[at[i]];
        }
        return picked;
    }
}
