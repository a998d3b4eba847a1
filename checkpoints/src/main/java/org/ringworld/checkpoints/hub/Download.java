package org.ringworld.checkpoints.hub;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.files.AtomicFiles;

/**
 * A file on its way into the cache: it has its blob's name only when all of it is there and its
 * checksum is right. A connection that breaks off, and a process that is killed, are gone on with
 * from the byte where they were. That the file is still the same need not be asked: a commit's
 * files never change, what is there already has its content's hash in its name, and the checksum is
 * of all.
 */
final class Download {
    private static final int MOST_BREAKS = 5;
    private static final int BUFFER = 1 << 18;
    private static final int ENOUGH = 1 << 24;
    private static final int RANGE_NOT_THERE = 416;

    private final HubName name;
    private final HubFile file;
    private final String path;
    private final Path blob;
    private final Path incomplete;
    private final HubClient client;
    private final Hub.Progress progress;

    Download(
            HubName name,
            String commit,
            HubFile file,
            Path blob,
            HubClient client,
            Hub.Progress progress) {
        this.name = name;
        this.file = file;
        this.path = "/%s/resolve/%s/%s".formatted(name.page(), commit, encoded(file.name()));
        this.blob = blob;
        this.incomplete = incomplete(blob);
        this.client = client;
        this.progress = progress;
    }

    /** Where a blob grows; not under the name of huggingface_hub, which may be at it as well. */
    static Path incomplete(Path blob) {
        return blob.resolveSibling(blob.getFileName() + ".ringworld.incomplete");
    }

    private static String encoded(String name) {
        try {
            return new URI(null, null, "/" + name, null).toASCIIString().substring(1);
        } catch (URISyntaxException e) {
            throw new IllegalStateException("every path can be encoded", e);
        }
    }

    /**
     * Fetches it.
     *
     * @throws CheckpointException where it cannot be had, or what arrives is something else
     */
    void run() throws IOException {
        boolean isResumed = Files.exists(incomplete);
        boolean isWhole = receiveAll();
        if (!isWhole && isResumed) {
            // What was there may have been damaged.
            progress.add(-file.size());
            isWhole = receiveAll();
        }
        if (!isWhole) {
            throw new CheckpointException(
                    "%s: %s arrives with another checksum than the hub says: try again later; nothing of it was kept"
                            .formatted(name, file.name()));
        }
        AtomicFiles.rename(incomplete, blob);
    }

    /** Returns whether the checksum is right; nothing is kept where it is not. */
    private boolean receiveAll() throws IOException {
        try (FileChannel out =
                FileChannel.open(incomplete, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            int breaks = 0;
            while (out.size() < file.size()) {
                long before = out.size();
                receive(out, before);
                if (out.size() == file.size()) {
                    break;
                }
                // A large file may break off often, as long as it gets on.
                breaks = out.size() - before > ENOUGH ? 0 : breaks + 1;
                if (breaks == MOST_BREAKS) {
                    throw new CheckpointException(
                            "%s: the connection broke off %d times, at last after %d of %d bytes of %s: start again to go on from there"
                                    .formatted(name, breaks, out.size(), file.size(), file.name()));
                }
                client.pause();
            }
            out.force(true);
        }
        boolean isWhole = file.isContentOf(incomplete);
        if (!isWhole) {
            Files.delete(incomplete);
        }
        return isWhole;
    }

    /** Appends what comes until the file is whole or the connection breaks off. */
    private void receive(FileChannel out, long from) throws IOException {
        HttpResponse<InputStream> answer = client.get(path, from);
        try (InputStream body = client.body(answer)) {
            int status = answer.statusCode();
            if (status / 100 != 2 && status != RANGE_NOT_THERE) {
                throw client.refused(name, answer);
            }
            // A server may know no ranges: then all of it comes again.
            long start = Math.min(from, HubClient.start(answer));
            progress.add(start - from);
            out.truncate(start).position(start);
            if (status != RANGE_NOT_THERE) {
                append(out, body, file.size() - start);
            }
        }
    }

    private void append(FileChannel out, InputStream body, long length) throws IOException {
        byte[] buffer = new byte[BUFFER];
        long left = length;
        int n;
        while (left > 0 && (n = read(body, buffer, left)) > 0) {
            ByteBuffer bytes = ByteBuffer.wrap(buffer, 0, n);
            while (bytes.hasRemaining()) {
                out.write(bytes);
            }
            left -= n;
            progress.add(n);
        }
    }

    /** A connection that breaks off ends as one that is closed: too early. */
    private static int read(InputStream body, byte[] buffer, long left) {
        try {
            return body.read(buffer, 0, (int) Math.min(buffer.length, left));
        } catch (IOException e) {
            return -1;
        }
    }
}
