package org.ringworld.tokenizer.documents;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.documents.TokenizedDocument.Run;

/** A document being put together of texts, single tokens and frames. */
final class DocumentBuilder {
    private final Tokenizer tokenizer;
    private final List<Run> runs = new ArrayList<>();
    private int[] ids = new int[256];
    private int length;

    DocumentBuilder(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    void token(int id, float weight) {
        add(new int[] {id}, weight, false);
    }

    void tokens(int[] some, float weight) {
        add(some, weight, false);
    }

    void text(String text, float weight) {
        add(tokenizer.encode(text), weight, false);
    }

    void vision(int[] codes, int tokensPerFrame, float weight) {
        text(VisionCodes.BEGIN, weight);
        add(VisionCodes.withEnds(codes, tokensPerFrame), weight, true);
        text(VisionCodes.END, weight);
    }

    private void add(int[] some, float weight, boolean vision) {
        if (some.length == 0) {
            return;
        }
        int end = Math.addExact(length, some.length);
        if (end > ids.length) {
            // Not twice the size: a text of 100 MB would not fit beside it.
            ids = Arrays.copyOf(ids, end + end / 8);
        }
        System.arraycopy(some, 0, ids, length, some.length);
        length = end;
        Run last = runs.isEmpty() ? null : runs.getLast();
        if (last != null && last.weight() == weight && last.vision() == vision) {
            runs.removeLast();
        }
        runs.add(new Run(end, weight, vision));
    }

    TokenizedDocument build() {
        return new TokenizedDocument(Arrays.copyOf(ids, length), runs);
    }
}
