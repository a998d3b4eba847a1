package org.ringworld.tokenizer.sources;

import dev.hardwood.InputFile;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A file that is read and not mapped: one that is cut off meanwhile by somebody else gives an
 * error, where a mapped one would end the process. One that is read over and over ends as well:
 * damaged pages can send a reader round in a circle.
 */
final class ReadFile implements InputFile {
    private static final int MOST_TIMES = 16;
    private static final int SMALL = 1 << 20;

    private final Path file;
    private final AtomicLong bytesRead = new AtomicLong();
    private volatile FileChannel channel;

    ReadFile(Path file) {
        this.file = file;
    }

    @Override
    public synchronized void open() throws IOException {
        if (channel == null) {
            channel = FileChannel.open(file);
        }
    }

    @Override
    public ByteBuffer readRange(long offset, int length) throws IOException {
        long size = channel.size();
        if (offset < 0 || length < 0 || offset > size - length) {
            throw new EOFException(
                    "%d bytes from %d on of %d in all".formatted(length, offset, size));
        }
        if (bytesRead.addAndGet(length + 1L) > MOST_TIMES * size + SMALL) {
            throw new IOException("its pages lead back to themselves");
        }
        ByteBuffer bytes = ByteBuffer.allocateDirect(length);
        while (bytes.hasRemaining()) {
            if (channel.read(bytes, offset + bytes.position()) < 0) {
                throw new EOFException("it became shorter while it was read");
            }
        }
        return bytes.flip();
    }

    @Override
    public long length() throws IOException {
        return channel.size();
    }

    @Override
    public String name() {
        return file.toString();
    }

    @Override
    public void close() throws IOException {
        if (channel != null) {
            channel.close();
        }
    }
}
