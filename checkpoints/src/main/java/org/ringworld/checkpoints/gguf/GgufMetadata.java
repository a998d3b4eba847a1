package org.ringworld.checkpoints.gguf;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** The keys and values of a GGUF file, as bytes and in the order in which they are put. */
public final class GgufMetadata {
    private static final int UINT32 = 4;
    private static final int INT32 = 5;
    private static final int FLOAT32 = 6;
    private static final int BOOL = 7;
    private static final int STRING = 8;
    private static final int ARRAY = 9;

    private final Set<String> keys = new HashSet<>();
    private final Output out = new Output();

    /** Numbers with the low byte first; texts with their length in front. */
    static final class Output extends ByteArrayOutputStream {
        void number(int value) {
            for (int shift = 0; shift < 32; shift += 8) {
                write(value >> shift);
            }
        }

        void number(long value) {
            number((int) value);
            number((int) (value >> 32));
        }

        void text(String text) {
            byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
            number((long) utf8.length);
            writeBytes(utf8);
        }
    }

    private void key(String key, int type) {
        if (!keys.add(key)) {
            throw new IllegalArgumentException("the key " + key + " is put twice");
        }
        out.text(key);
        out.number(type);
    }

    private void arrayKey(String key, int type, int length) {
        key(key, ARRAY);
        out.number(type);
        out.number((long) length);
    }

    /** A count, a size or an id. */
    public void putCount(String key, int value) {
        key(key, UINT32);
        out.number(value);
    }

    public void putNumber(String key, double value) {
        key(key, FLOAT32);
        out.number(Float.floatToRawIntBits((float) value));
    }

    public void putTruth(String key, boolean value) {
        key(key, BOOL);
        out.write(value ? 1 : 0);
    }

    public void putText(String key, String value) {
        key(key, STRING);
        out.text(value);
    }

    public void putTexts(String key, List<String> values) {
        arrayKey(key, STRING, values.size());
        values.forEach(out::text);
    }

    public void putCounts(String key, int[] values) {
        arrayKey(key, INT32, values.length);
        for (int value : values) {
            out.number(value);
        }
    }

    public void putNumbers(String key, float[] values) {
        arrayKey(key, FLOAT32, values.length);
        for (float value : values) {
            out.number(Float.floatToRawIntBits(value));
        }
    }

    /** Its keys and after them another one's. */
    GgufMetadata with(GgufMetadata more) {
        GgufMetadata both = new GgufMetadata();
        for (GgufMetadata one : List.of(this, more)) {
            if (!Collections.disjoint(both.keys, one.keys)) {
                throw new IllegalArgumentException("two have a key in common: " + one.keys);
            }
            both.keys.addAll(one.keys);
            both.out.writeBytes(one.bytes());
        }
        return both;
    }

    int size() {
        return keys.size();
    }

    byte[] bytes() {
        return out.toByteArray();
    }
}
