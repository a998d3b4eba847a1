package org.ringworld.tokenizer.sources;

import com.github.luben.zstd.ZstdInputStream;
import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/** How a file of documents is written, by the end of its name. */
enum FileKind {
    TEXT(".txt"),
    LINES(".jsonl"),
    /** An array of objects, or lines as in {@link #LINES}. */
    JSON(".json"),
    PARQUET(".parquet"),
    ARROW(".arrow");

    static final String NAMES =
            ".txt, .jsonl or .json, plain or with .gz or .zst after it, .parquet or .arrow";

    private static final List<String> PACKED = List.of(".gz", ".zst");
    private static final int BUFFER = 1 << 16;

    private final String ending;

    FileKind(String ending) {
        this.ending = ending;
    }

    /** The kind of a file; null where it is of none. */
    static FileKind of(Path file) {
        String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
        for (String packed : PACKED) {
            if (name.endsWith(packed)) {
                FileKind inside = of(name.substring(0, name.length() - packed.length()));
                return inside == PARQUET || inside == ARROW ? null : inside;
            }
        }
        return of(name);
    }

    private static FileKind of(String name) {
        for (FileKind kind : values()) {
            if (name.endsWith(kind.ending)) {
                return kind;
            }
        }
        return null;
    }

    /** Whether a document of a directory is read: other {@code .json} files are about documents. */
    static boolean isRead(Path file) {
        FileKind kind = of(file);
        if (kind == null || !Files.isRegularFile(file)) {
            return false;
        }
        try {
            return kind != JSON || isArray(file);
        } catch (IOException e) {
            return false;
        }
    }

    private static boolean isArray(Path file) throws IOException {
        try (Counted in = open(file)) {
            return in.firstOfJson() == '[';
        }
    }

    /** The bytes of a file, unpacked. */
    static Counted open(Path file) throws IOException {
        Counter packed = new Counter(Files.newInputStream(file));
        try {
            String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
            InputStream in = new BufferedInputStream(packed, BUFFER);
            if (name.endsWith(".gz")) {
                in = new WholeGzip(in);
            } else if (name.endsWith(".zst")) {
                if (Files.size(file) == 0) {
                    throw new EOFException("it is empty");
                }
                in = new ZstdInputStream(in);
            }
            return new Counted(new BufferedInputStream(in, BUFFER), packed);
        } catch (IOException | RuntimeException | Error e) {
            packed.close();
            throw e;
        }
    }

    /** Unpacked bytes, which knows how many packed ones they came from. */
    static final class Counted extends FilterInputStream {
        private final Counter packed;

        private Counted(InputStream in, Counter packed) {
            super(in);
            this.packed = packed;
        }

        /** Bytes of the file read so far. */
        long packedBytes() {
            return packed.bytes;
        }

        /** The first character of JSON, which stays to be read; −1 where there is none. */
        int firstOfJson() throws IOException {
            int b;
            do {
                in.mark(4);
                b = in.read();
            } while (b == ' ' || b == '\t' || b == '\r' || b == '\n' || isOfByteOrderMark(b));
            in.reset();
            return b;
        }

        private static boolean isOfByteOrderMark(int b) {
            return b == 0xef || b == 0xbb || b == 0xbf;
        }
    }

    /**
     * Of one member or several: Java's takes whatever it cannot read after the first for the end.
     */
    private static final class WholeGzip extends GZIPInputStream {
        WholeGzip(InputStream in) throws IOException {
            super(in, BUFFER);
        }

        @Override
        public int read(byte[] into, int offset, int length) throws IOException {
            int count = super.read(into, offset, length);
            // The checksum has begun anew: what it holds at the end is what was no header.
            if (count < 0 && crc.getValue() != 0) {
                throw new ZipException("something else than gzip follows");
            }
            return count;
        }
    }

    private static final class Counter extends FilterInputStream {
        private long bytes;

        Counter(InputStream in) {
            super(in);
        }

        @Override
        public int read() throws IOException {
            int b = in.read();
            bytes += b < 0 ? 0 : 1;
            return b;
        }

        @Override
        public int read(byte[] into, int offset, int length) throws IOException {
            int count = in.read(into, offset, length);
            bytes += Math.max(0, count);
            return count;
        }
    }
}
