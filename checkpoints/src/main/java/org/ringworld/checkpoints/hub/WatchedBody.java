package org.ringworld.checkpoints.hub;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;

/**
 * The body of an answer, which is closed when nothing comes any more: to read one has no time limit
 * of its own.
 */
final class WatchedBody extends FilterInputStream {
    private final Duration silence;
    private final Thread watch;
    private volatile int reads;

    WatchedBody(InputStream body, Duration silence) {
        super(body);
        this.silence = silence;
        this.watch = Thread.ofVirtual().start(this::watch);
    }

    private void watch() {
        try {
            int before;
            do {
                before = reads;
                Thread.sleep(silence);
            } while (reads != before);
            in.close();
        } catch (InterruptedException | IOException e) {
            // It is over.
        }
    }

    @Override
    public int read(byte[] into, int offset, int length) throws IOException {
        int count = in.read(into, offset, length);
        reads++;
        return count;
    }

    @Override
    public int read() throws IOException {
        int one = in.read();
        reads++;
        return one;
    }

    @Override
    public void close() throws IOException {
        watch.interrupt();
        in.close();
    }
}
