package org.ringworld.tokenizer.documents;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.zip.CRC32C;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.RowRandom;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.Utf8;
import org.ringworld.tokenizer.sources.Example;
import org.ringworld.tokenizer.sources.TextFiles;
import tools.jackson.databind.JsonNode;

/**
 * Files of documents to a token cache: read in order by one thread, encoded by as many as there are
 * cores, written in order. Goes on where it was left; does nothing where the cache is there already
 * and neither source, fields nor tokenizer changed.
 */
public final class Tokenization {
    private static final int MOST_TOLD = 20;
    private static final long BATCH_BYTES = 1 << 19;
    private static final int BATCH_EXAMPLES = 1 << 10;
    private static final long MOST_BYTES_WAITING = 1 << 26;
    private static final long SAVE_NANOS = 2_000_000_000L;

    private final FieldLanguage fields;
    private final Tokenizer tokenizer;
    private final Progress progress;
    private final TokenCacheWriter writer;
    private final TextFiles files;
    private final ExecutorService workers;
    private final int mostWaiting = 2 * Runtime.getRuntime().availableProcessors();
    private final Deque<Batch> waiting = new ArrayDeque<>();
    private final long skip;
    private final List<String> faults = new ArrayList<>();
    private List<Example> batch = new ArrayList<>();
    private long batchFrom;
    private long written;
    private long totalBytes;
    private long seen;
    private long saved = System.nanoTime();

    /** Hears how much of the source was done. */
    @FunctionalInterface
    public interface Progress {
        void done(long bytes, long totalBytes, long tokens);
    }

    /**
     * What came of it.
     *
     * @param sourceBytes read
     * @param faults the first lines that could not be used, a sentence each, of this run
     * @param wasThere whether nothing had to be done
     */
    public record Result(
            long documents,
            long tokens,
            long sourceBytes,
            long badLines,
            List<String> faults,
            boolean wasThere) {}

    private record Batch(Future<List<Encoded>> encoded, long bytesAtEnd, long fileBytesAtEnd) {}

    private record Encoded(Example example, TokenizedDocument document, String fault) {}

    private Tokenization(
            FieldLanguage fields,
            Tokenizer tokenizer,
            Progress progress,
            TokenCacheWriter writer,
            ExecutorService workers) {
        this.fields = fields;
        this.tokenizer = tokenizer;
        this.progress = progress;
        this.writer = writer;
        this.workers = workers;
        this.skip = writer.mark().examples();
        this.files = new TextFiles(this::take);
    }

    /**
     * Makes a cache of the documents in a directory, a {@code .txt} or a {@code .jsonl} file.
     *
     * @throws DataException where a file cannot be read or written, or holds no document
     */
    public static Result run(
            Path source, FieldLanguage fields, Tokenizer tokenizer, Path cache, Progress progress)
            throws DataException {
        long checksum = checksum(source, fields, tokenizer);
        TokenCache.Header there = TokenCache.header(cache);
        if (there != null
                && there.source() == checksum
                && there.tokenizer() == tokenizer.checksum()) {
            return new Result(
                    there.documents(), there.tokens(), 0, there.badLines(), List.of(), true);
        }
        try (ExecutorService workers =
                        Executors.newFixedThreadPool(
                                Runtime.getRuntime().availableProcessors(),
                                Thread.ofPlatform().daemon().name("tokenize-", 0).factory());
                TokenCacheWriter writer = TokenCacheWriter.open(cache, tokenizer, checksum)) {
            return new Tokenization(fields, tokenizer, progress, writer, workers).run(source);
        } catch (DataException e) {
            throw e;
        } catch (UncheckedIOException e) {
            throw unwritten(cache, e.getCause());
        } catch (IOException e) {
            throw unwritten(cache, e);
        }
    }

    private static DataException unwritten(Path cache, IOException e) {
        return e instanceof DataException data
                ? data
                : new DataException(cache + ": cannot be written: " + e.getMessage(), e);
    }

    private Result run(Path source) throws IOException {
        for (Path file : TextFiles.list(source)) {
            totalBytes += Files.size(file);
        }
        files.read(source);
        submit();
        while (!waiting.isEmpty()) {
            writeOldest();
        }
        TokenCacheWriter.Mark mark = writer.mark();
        if (mark.documents() == 0) {
            throw new DataException(
                    source
                            + ": holds no document"
                            + (faults.isEmpty() ? "" : ": " + faults.getFirst()));
        }
        writer.finish();
        return new Result(
                mark.documents(), mark.tokens(), files.bytesRead(), mark.badLines(), faults, false);
    }

    private void take(Example example) {
        if (seen++ < skip) {
            batchFrom = files.bytesRead();
            return;
        }
        batch.add(example);
        if (batch.size() == BATCH_EXAMPLES || files.bytesRead() - batchFrom >= BATCH_BYTES) {
            submit();
            while (waiting.size() > mostWaiting
                    || !waiting.isEmpty() && files.bytesRead() - written > MOST_BYTES_WAITING) {
                writeOldest();
            }
        }
    }

    private void submit() {
        List<Example> examples = batch;
        waiting.add(
                new Batch(
                        workers.submit(() -> examples.stream().map(this::encode).toList()),
                        files.bytesRead(),
                        files.fileBytesRead()));
        batch = new ArrayList<>();
        batchFrom = files.bytesRead();
    }

    private Encoded encode(Example example) {
        if (example.fault() != null) {
            return new Encoded(example, null, example.fault());
        }
        try {
            return new Encoded(
                    example, fields.document(example.fields(), example.line(), tokenizer), null);
        } catch (DataException e) {
            return new Encoded(example, null, e.getMessage());
        }
    }

    private void writeOldest() {
        Batch oldest = waiting.removeFirst();
        try {
            for (Encoded one : oldest.encoded.get()) {
                if (one.document == null) {
                    writer.addBad();
                    if (faults.size() < MOST_TOLD) {
                        faults.add(one.example.tell(one.fault));
                    }
                } else {
                    writer.add(one.document, hash(one.document, one.example));
                }
            }
            written = oldest.bytesAtEnd;
            progress.done(oldest.fileBytesAtEnd, totalBytes, writer.mark().tokens());
            if (System.nanoTime() - saved > SAVE_NANOS) {
                writer.save();
                saved = System.nanoTime();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new UncheckedIOException(new IOException("interrupted"));
        }
    }

    /** Of the text alone: a document stays on its side when others come, and so do its copies. */
    private static long hash(TokenizedDocument document, Example example) {
        String text = said(document, example);
        long hash = 0xcbf29ce484222325L;
        for (int i = 0; i < text.length(); i++) {
            hash = (hash ^ text.charAt(i)) * 0x100000001b3L;
        }
        return RowRandom.mix(hash);
    }

    /** The text or the chat; all fields of others, and where pictures tell equal chats apart. */
    private static String said(TokenizedDocument document, Example example) {
        JsonNode fields = example.fields();
        String text = fields.path("text").asString("");
        if (!text.isEmpty()) {
            return text;
        }
        String chat = ChatDocument.field(fields);
        boolean hasVision = document.runs().stream().anyMatch(TokenizedDocument.Run::vision);
        try {
            return chat == null || hasVision
                    ? example.canonical()
                    : ChatDocument.said(fields, chat);
        } catch (DataException e) {
            // Its fields say something else than this chat.
            return example.canonical();
        }
    }

    /**
     * Of what all examples say, and of the fields: files that say the same in another form, packed
     * or as a table, give the same. Whatever cannot be read is found here, before a byte is
     * written.
     */
    private static long checksum(Path source, FieldLanguage fields, Tokenizer tokenizer)
            throws DataException {
        CRC32C settings = new CRC32C();
        CRC32C contents = new CRC32C();
        settings.update(fields.toString().getBytes(StandardCharsets.UTF_8));
        if (!tokenizer.addsBos()) {
            settings.update("no BOS".getBytes(StandardCharsets.UTF_8));
        }
        new TextFiles(
                        example -> {
                            contents.update(Utf8.bytes(example.canonical()));
                            contents.update('\n');
                        })
                .read(source);
        return settings.getValue() << 32 | contents.getValue();
    }
}
