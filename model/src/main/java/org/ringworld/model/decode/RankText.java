package org.ringworld.model.decode;

import java.util.Arrays;

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

    void append(int id) {
        ids[length++] = id;
        written++;
    }
}
