package org.ringworld.tokenizer.documents;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import org.ringworld.tokenizer.Tokenizer;

/**
 * A {@link TokenCache} being made in temporary files beside it, which take its name when they are
 * complete and synced. What was written up to the last mark is there again after a crash.
 */
final class TokenCacheWriter implements AutoCloseable {
    private static final List<String> PARTS = List.of(".tmp", ".runs.tmp", ".documents.tmp");
    private static final String MARK = ".mark.tmp";

    private final Path cache;
    private final int tokenBytes;
    private final Part tokens;
    private final Part runs;
    private final Part documents;

    /**
     * How far a cache got.
     *
     * @param examples read so far, those that could not be used among them
     */
    record Mark(
            long tokenizer,
            long source,
            long examples,
            long badLines,
            long tokens,
            long runs,
            long documents) {
        static Mark none(long tokenizer, long source) {
            return new Mark(tokenizer, source, 0, 0, 0, 0, 0);
        }

        Mark withDocument(int more, int moreRuns) {
            return new Mark(
                    tokenizer,
                    source,
                    examples + 1,
                    badLines,
                    tokens + more,
                    runs + moreRuns,
                    documents + 1);
        }

        Mark withBad() {
            return new Mark(tokenizer, source, examples + 1, badLines + 1, tokens, runs, documents);
        }
    }

    private Mark mark;

    private TokenCacheWriter(Path cache, int tokenBytes, Mark mark) throws IOException {
        this.cache = cache;
        this.tokenBytes = tokenBytes;
        this.mark = mark;
        tokens = new Part(beside(PARTS.get(0)), TokenCache.Header.BYTES + mark.tokens * tokenBytes);
        runs = new Part(beside(PARTS.get(1)), mark.runs * TokenCache.RUN_BYTES);
        documents = new Part(beside(PARTS.get(2)), mark.documents * TokenCache.DOCUMENT_BYTES);
    }

    /** Goes on where the same work was left, else begins. */
    static TokenCacheWriter open(Path cache, Tokenizer tokenizer, long source) throws IOException {
        Path directory = cache.toAbsolutePath().getParent();
        Files.createDirectories(directory);
        int tokenBytes = tokenizer.vocabSize() <= 1 << 16 ? 2 : 4;
        Mark none = Mark.none(tokenizer.checksum(), source);
        Mark left = read(cache.resolveSibling(cache.getFileName() + MARK));
        boolean same =
                left != null
                        && left.tokenizer == none.tokenizer
                        && left.source == none.source
                        && size(cache, 0) >= TokenCache.Header.BYTES + left.tokens * tokenBytes
                        && size(cache, 1) >= left.runs * TokenCache.RUN_BYTES
                        && size(cache, 2) >= left.documents * TokenCache.DOCUMENT_BYTES;
        return new TokenCacheWriter(cache, tokenBytes, same ? left : none);
    }

    private static long size(Path cache, int part) throws IOException {
        Path file = cache.resolveSibling(cache.getFileName() + PARTS.get(part));
        return Files.exists(file) ? Files.size(file) : -1;
    }

    private static Mark read(Path file) throws IOException {
        if (!Files.exists(file)) {
            return null;
        }
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file));
        if (bytes.limit() != 8 * 8) {
            return null;
        }
        int crc = TokenCache.crc(MemorySegment.ofBuffer(bytes.slice(0, 56)));
        long[] n = new long[8];
        bytes.asLongBuffer().get(n);
        return n[7] == crc ? new Mark(n[0], n[1], n[2], n[3], n[4], n[5], n[6]) : null;
    }

    private Path beside(String ending) {
        return cache.resolveSibling(cache.getFileName() + ending);
    }

    Mark mark() {
        return mark;
    }

    void add(TokenizedDocument document, long hash) throws IOException {
        int[] ids = document.ids();
        for (int id : ids) {
            if (tokenBytes == 2) {
                tokens.room(2).putShort((short) id);
            } else {
                tokens.room(4).putInt(id);
            }
        }
        List<TokenizedDocument.Run> written = document.isPlain() ? List.of() : document.runs();
        for (TokenizedDocument.Run run : written) {
            runs.room(TokenCache.RUN_BYTES)
                    .putInt(run.end())
                    .putFloat(run.weight())
                    .putInt(run.vision() ? 1 : 0);
        }
        mark = mark.withDocument(ids.length, written.size());
        documents
                .room(TokenCache.DOCUMENT_BYTES)
                .putLong(mark.tokens)
                .putLong(mark.runs)
                .putLong(hash);
    }

    /** Counts an example that gave no document. */
    void addBad() {
        mark = mark.withBad();
    }

    /** Makes what was written so far survive a crash. */
    void save() throws IOException {
        for (Part part : List.of(tokens, runs, documents)) {
            part.sync();
        }
        ByteBuffer bytes = ByteBuffer.allocate(64);
        long[] n = {
            mark.tokenizer,
            mark.source,
            mark.examples,
            mark.badLines,
            mark.tokens,
            mark.runs,
            mark.documents
        };
        Arrays.stream(n).forEach(bytes::putLong);
        bytes.putLong(TokenCache.crc(MemorySegment.ofBuffer(bytes.slice(0, 56))));
        Path next = beside(MARK + ".next");
        Files.write(next, bytes.array(), StandardOpenOption.CREATE, StandardOpenOption.SYNC);
        Files.move(next, beside(MARK), StandardCopyOption.ATOMIC_MOVE);
    }

    /** Puts the parts together under the cache's own name. */
    void finish() throws IOException {
        for (Part part : List.of(tokens, runs, documents)) {
            part.sync();
        }
        int tokensCrc = crc(tokens, TokenCache.Header.BYTES);
        int runsCrc = crc(runs, 0);
        int documentsCrc = crc(documents, 0);
        tokens.append(runs);
        tokens.append(documents);
        ByteBuffer header = ByteBuffer.allocate(TokenCache.Header.BYTES);
        new TokenCache.Header(
                        tokenBytes,
                        mark.tokenizer,
                        mark.source,
                        mark.tokens,
                        mark.runs,
                        mark.documents,
                        mark.badLines,
                        tokensCrc,
                        runsCrc,
                        documentsCrc)
                .write(MemorySegment.ofBuffer(header));
        tokens.channel.write(header, 0);
        tokens.channel.force(true);
        // The mark first: without it nothing would go on from a file that has become the cache.
        Files.deleteIfExists(beside(MARK));
        Files.move(beside(PARTS.get(0)), cache, StandardCopyOption.ATOMIC_MOVE);
        close();
        for (String part : PARTS) {
            Files.deleteIfExists(beside(part));
        }
    }

    private static int crc(Part part, long from) throws IOException {
        long bytes = part.channel.size() - from;
        if (bytes == 0) {
            return TokenCache.crc(MemorySegment.ofArray(new byte[0]));
        }
        try (Arena arena = Arena.ofConfined()) {
            return TokenCache.crc(
                    part.channel.map(FileChannel.MapMode.READ_ONLY, from, bytes, arena));
        }
    }

    @Override
    public void close() throws IOException {
        tokens.channel.close();
        runs.channel.close();
        documents.channel.close();
    }

    /** One growing file, written through a buffer. */
    private static final class Part {
        private final FileChannel channel;
        private final ByteBuffer buffer =
                ByteBuffer.allocateDirect(1 << 16).order(ByteOrder.LITTLE_ENDIAN);

        Part(Path file, long size) throws IOException {
            channel =
                    FileChannel.open(
                            file,
                            StandardOpenOption.CREATE,
                            StandardOpenOption.READ,
                            StandardOpenOption.WRITE);
            channel.truncate(size).position(size);
            if (channel.size() < size) {
                // The header's place, which is filled in the end.
                channel.write(ByteBuffer.allocate((int) (size - channel.size())), channel.size());
                channel.position(size);
            }
        }

        ByteBuffer room(int bytes) throws IOException {
            if (buffer.remaining() < bytes) {
                flush();
            }
            return buffer;
        }

        private void flush() throws IOException {
            buffer.flip();
            while (buffer.hasRemaining()) {
                channel.write(buffer);
            }
            buffer.clear();
        }

        void sync() throws IOException {
            flush();
            channel.force(false);
        }

        void append(Part other) throws IOException {
            for (long at = 0; at < other.channel.size(); ) {
                at += other.channel.transferTo(at, other.channel.size() - at, channel);
            }
        }
    }
}
