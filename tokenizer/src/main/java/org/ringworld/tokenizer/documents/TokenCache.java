package org.ringworld.tokenizer.documents;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.stream.LongStream;
import java.util.zip.CRC32C;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.packing.SequencePacking;

/**
 * Documents that were tokenized before, mapped from a file: a {@link Header}, the tokens of all
 * documents, the runs of weights, the borders of documents. Little end first throughout.
 *
 * <ul>
 *   <li>a token is two bytes where the vocabulary allows it, else four;
 *   <li>a run is the token of its document at which it ends, the weight of its tokens as targets,
 *       and 1 where they are vision codes; a document of text that all weighs 1 has none;
 *   <li>a document is where its tokens end, where its runs end, and the hash of its text.
 * </ul>
 *
 * Every part has a CRC-32C, which is checked when the file is opened.
 */
public final class TokenCache {
    static final int RUN_BYTES = 12;
    static final int DOCUMENT_BYTES = 24;
    private static final ValueLayout.OfLong LONG =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfChar CHAR =
            ValueLayout.JAVA_CHAR_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /**
     * What a cache holds and what it was made from.
     *
     * @param tokenBytes of a token, 2 or 4
     * @param tokenizer its checksum
     * @param source checksum of the files it was read from and of the fields that were taken
     */
    record Header(
            int tokenBytes,
            long tokenizer,
            long source,
            long tokens,
            long runs,
            long documents,
            long badLines,
            int tokensCrc,
            int runsCrc,
            int documentsCrc) {
        static final int BYTES = 96;
        static final long MAGIC = 0x73_6e_65_6b_6f_74_77_72L; // "rwtokens"
        static final int VERSION = 1;

        void write(MemorySegment to) {
            long[] longs = {tokenizer, source, tokens, runs, documents, badLines};
            int[] ints = {VERSION, tokenBytes, tokensCrc, runsCrc, documentsCrc};
            to.set(LONG, 0, MAGIC);
            for (int i = 0; i < longs.length; i++) {
                to.set(LONG, 8 + 8L * i, longs[i]);
            }
            for (int i = 0; i < ints.length; i++) {
                to.set(INT, 56 + 4L * i, ints[i]);
            }
            to.set(INT, BYTES - 4, crc(to.asSlice(0, BYTES - 4)));
        }

        static Header read(MemorySegment from) {
            return new Header(
                    from.get(INT, 60),
                    from.get(LONG, 8),
                    from.get(LONG, 16),
                    from.get(LONG, 24),
                    from.get(LONG, 32),
                    from.get(LONG, 40),
                    from.get(LONG, 48),
                    from.get(INT, 64),
                    from.get(INT, 68),
                    from.get(INT, 72));
        }

        private boolean fits(long fileBytes) {
            return tokens >= 0
                    && runs >= 0
                    && documents >= 0
                    && tokens <= fileBytes
                    && runs <= fileBytes
                    && documents <= fileBytes
                    && BYTES + tokens * tokenBytes + runs * RUN_BYTES + documents * DOCUMENT_BYTES
                            == fileBytes;
        }
    }

    private final Header header;
    private final MemorySegment tokens;
    private final MemorySegment runs;
    private final MemorySegment documents;

    private TokenCache(Header header, MemorySegment file) {
        this.header = header;
        long runsAt = Header.BYTES + header.tokens * header.tokenBytes;
        long documentsAt = runsAt + header.runs * RUN_BYTES;
        this.tokens = file.asSlice(Header.BYTES, runsAt - Header.BYTES);
        this.runs = file.asSlice(runsAt, documentsAt - runsAt);
        this.documents = file.asSlice(documentsAt);
    }

    /**
     * Maps a cache and checks all of it.
     *
     * @throws DataException where it is damaged, or was made by another tokenizer
     */
    public static TokenCache open(Path file, Tokenizer tokenizer) throws DataException {
        MemorySegment mapped = map(file);
        String fault = fault(mapped);
        if (fault != null) {
            throw new DataException(file + ": " + fault + ": make it again with tokenize");
        }
        TokenCache cache = new TokenCache(Header.read(mapped), mapped);
        fault = cache.fault(tokenizer);
        if (fault != null) {
            throw new DataException(file + ": " + fault + ": make it again with tokenize");
        }
        return cache;
    }

    private static MemorySegment map(Path file) throws DataException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), Arena.ofAuto());
        } catch (NoSuchFileException e) {
            throw new DataException(file + ": there is no such file", e);
        } catch (IOException e) {
            throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
        }
    }

    private static String fault(MemorySegment file) {
        if (file.byteSize() < Header.BYTES || file.get(LONG, 0) != Header.MAGIC) {
            return "is no token cache";
        }
        if (file.get(INT, 56) != Header.VERSION) {
            return "is of version %d, not %d".formatted(file.get(INT, 56), Header.VERSION);
        }
        Header header = Header.read(file);
        boolean whole =
                file.get(INT, Header.BYTES - 4) == crc(file.asSlice(0, Header.BYTES - 4))
                        && (header.tokenBytes == 2 || header.tokenBytes == 4)
                        && header.fits(file.byteSize());
        return whole ? null : "is damaged or was cut off";
    }

    private String fault(Tokenizer tokenizer) {
        if (header.tokenizer != tokenizer.checksum()) {
            return "was made by another tokenizer";
        }
        if (crc(tokens) != header.tokensCrc
                || crc(runs) != header.runsCrc
                || crc(documents) != header.documentsCrc) {
            return "is damaged (its checksums differ)";
        }
        return null;
    }

    /** The header of a cache, or null where the file is none or is damaged. */
    static Header header(Path file) {
        try {
            MemorySegment mapped = Files.exists(file) ? map(file) : null;
            return mapped == null || fault(mapped) != null ? null : Header.read(mapped);
        } catch (DataException e) {
            return null;
        }
    }

    static int crc(MemorySegment bytes) {
        CRC32C crc = new CRC32C();
        long step = 1 << 30;
        for (long at = 0; at < bytes.byteSize(); at += step) {
            crc.update(bytes.asSlice(at, Math.min(step, bytes.byteSize() - at)).asByteBuffer());
        }
        return (int) crc.getValue();
    }

    Header header() {
        return header;
    }

    public int documents() {
        return Math.toIntExact(header.documents);
    }

    /** Tokens of a document, BOS and EOS included. */
    public int tokens(int document) {
        return Math.toIntExact(end(document, 0) - end(document - 1, 0));
    }

    long hash(int document) {
        return documents.get(LONG, (long) DOCUMENT_BYTES * document + 16);
    }

    private long end(int document, int offset) {
        return document < 0 ? 0 : documents.get(LONG, (long) DOCUMENT_BYTES * document + offset);
    }

    /** Tokens [from, to) of a document. */
    SequencePacking.Document slice(int document, int from, int to) {
        int[] ids = new int[to - from];
        long at = end(document - 1, 0) + from;
        for (int i = 0; i < ids.length; i++) {
            ids[i] =
                    header.tokenBytes == 2
                            ? tokens.get(CHAR, 2 * (at + i))
                            : tokens.get(INT, 4 * (at + i));
        }
        float[] weights = new float[ids.length];
        Arrays.fill(weights, 1);
        boolean[] vision = null;
        int start = 0;
        for (long r = end(document - 1, 8); r < end(document, 8); r++) {
            int end = runs.get(INT, r * RUN_BYTES);
            int low = Math.clamp(start - from, 0, ids.length);
            int high = Math.clamp(end - from, 0, ids.length);
            Arrays.fill(weights, low, high, runs.get(FLOAT, r * RUN_BYTES + 4));
            if (low < high && runs.get(INT, r * RUN_BYTES + 8) != 0) {
                vision = vision == null ? new boolean[ids.length] : vision;
                Arrays.fill(vision, low, high, true);
            }
            start = end;
        }
        return new SequencePacking.Document(ids, weights, vision);
    }

    /** Whether any document has vision codes. */
    boolean hasVision() {
        return LongStream.range(0, header.runs)
                .anyMatch(run -> runs.get(INT, run * RUN_BYTES + 8) != 0);
    }

    /** Σ of the weights of tokens [from, to) of a document, of one modality. */
    double weight(int document, int from, int to, boolean vision) {
        long first = end(document - 1, 8);
        long last = end(document, 8);
        if (first == last) {
            return vision ? 0 : Math.max(0, to - from);
        }
        double sum = 0;
        int start = 0;
        for (long r = first; r < last; r++) {
            int end = runs.get(INT, r * RUN_BYTES);
            int common = Math.max(0, Math.min(end, to) - Math.max(start, from));
            boolean isVision = runs.get(INT, r * RUN_BYTES + 8) != 0;
            sum += isVision == vision ? (double) common * runs.get(FLOAT, r * RUN_BYTES + 4) : 0;
            start = end;
        }
        return sum;
    }
}
