package org.ringworld.model.decode;

import java.util.Arrays;
import org.ringworld.model.attention.Modality;

/** A text as a rank knows it. */
final class RankText {
    final Serve.Join join;
    final PageKey.Chain keys = new PageKey.Chain();
    final int[] ids;
    int length;
    int written;
    boolean isRead;
    boolean isOver;

    RankText(Serve.Join join) {
        this.join = join;
        this.ids = Arrays.copyOf(join.ids(), join.ask().longest());
        this.length = join.ids().length;
        this.written = join.written();
    }

    /** Of which head its next token is. */
    Modality next(JointVocabulary kinds) {
        Frames frames = join.ask().frames();
        boolean isCode = frames != null && frames.isOpen(ids, length, kinds);
        return isCode ? Modality.VISION : Modality.TEXT;
    }

    void append(int id) {
        ids[length++] = id;
        written++;
    }
}
