package org.ringworld.model.decode;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import org.ringworld.model.attention.PageMemory;

/**
 * What a full page holds, by all tokens in it and before it: 128 bits of SHA-256. Whoever knows a
 * text's tokens finds its pages by it, on whatever rank and under whatever number they lie.
 */
public record PageKey(long high, long low) {
    private static final PageKey BEFORE_ALL = new PageKey(0, 0);

    private PageKey next(int[] ids, int from) {
        ByteBuffer bytes = ByteBuffer.allocate(2 * Long.BYTES + PageMemory.TOKENS * Integer.BYTES);
        bytes.putLong(high).putLong(low);
        for (int i = from; i < from + PageMemory.TOKENS; i++) {
            bytes.putInt(ids[i]);
        }
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            ByteBuffer hash = ByteBuffer.wrap(digest.digest(bytes.array()));
            return new PageKey(hash.getLong(), hash.getLong());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // every JDK has it
        }
    }

    /** The keys of one text's full pages, found as it grows. */
    public static final class Chain {
        private final List<PageKey> keys = new ArrayList<>();

        /**
         * @param ids of the text, the same in every call as far as they go
         * @param page whose tokens are all among them
         */
        public PageKey of(int[] ids, int page) {
            while (keys.size() <= page) {
                PageKey before = keys.isEmpty() ? BEFORE_ALL : keys.getLast();
                keys.add(before.next(ids, keys.size() * PageMemory.TOKENS));
            }
            return keys.get(page);
        }
    }
}
