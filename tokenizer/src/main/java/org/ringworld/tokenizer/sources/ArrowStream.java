package org.ringworld.tokenizer.sources;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.arrow.flatbuf.Message;
import org.apache.arrow.flatbuf.MessageHeader;
import org.apache.arrow.flatbuf.MetadataVersion;
import org.apache.arrow.flatbuf.RecordBatch;
import org.apache.arrow.flatbuf.Schema;

/**
 * The messages of an Arrow stream: a schema, then record batches, then a mark of the end (Arrow's
 * columnar format, "IPC Streaming Format"). A file that begins with {@code ARROW1} has such a
 * stream after it.
 */
final class ArrowStream {
    private static final byte[] MAGIC = "ARROW1\0\0".getBytes(StandardCharsets.US_ASCII);
    private static final int HEAD = 8;
    private static final int CONTINUES = -1;

    private final FileChannel channel;
    private final Schema schema;
    private long position;

    /**
     * @throws IOException where it is no such stream
     */
    ArrowStream(FileChannel channel) throws IOException {
        this.channel = channel;
        byte[] first = read(Math.min(MAGIC.length, channel.size())).array();
        if (!Arrays.equals(first, MAGIC)) {
            position = 0;
        }
        Message message = message();
        if (message == null || message.headerType() != MessageHeader.Schema) {
            throw new IOException("it does not begin with a schema");
        }
        body(message);
        schema = (Schema) message.header(new Schema());
    }

    /** The columns of all batches. */
    Schema schema() {
        return schema;
    }

    /** Bytes of the file read so far. */
    long position() {
        return position;
    }

    /**
     * The next rows; null after the last.
     *
     * @throws UnsupportedOperationException where they are written in a way that is not read
     */
    ArrowBatch next() throws IOException {
        Message message = message();
        while (message != null && message.headerType() == MessageHeader.DictionaryBatch) {
            // The batch after it says which column that is, and refuses it.
            body(message);
            message = message();
        }
        if (message == null) {
            return null;
        }
        if (message.headerType() != MessageHeader.RecordBatch) {
            throw new IOException("a message of it is not a record batch");
        }
        RecordBatch batch = (RecordBatch) message.header(new RecordBatch());
        return new ArrowBatch(schema, batch, body(message));
    }

    /** What describes the next message; null at the mark of the end. */
    private Message message() throws IOException {
        ByteBuffer head = read(HEAD);
        if (head.getInt() != CONTINUES) {
            throw new IOException("a message of it does not begin as one");
        }
        int length = head.getInt();
        if (length == 0) {
            return null;
        }
        Message message = Message.getRootAsMessage(read(length));
        if (message.version() < MetadataVersion.V4) {
            throw new UnsupportedOperationException("is older than Arrow 0.8: save it again");
        }
        return message;
    }

    private ByteBuffer body(Message message) throws IOException {
        return read(message.bodyLength());
    }

    private ByteBuffer read(long length) throws IOException {
        long left = channel.size() - position;
        if (length < 0 || length > left) {
            throw new EOFException("%d bytes where %d are left".formatted(length, left));
        }
        if (length > Integer.MAX_VALUE - HEAD) {
            throw new UnsupportedOperationException(
                    "has a batch of over 2 GiB: save it with fewer rows in a batch");
        }
        ByteBuffer bytes = ByteBuffer.allocate((int) length).order(ByteOrder.LITTLE_ENDIAN);
        while (bytes.hasRemaining()) {
            if (channel.read(bytes, position + bytes.position()) < 0) {
                throw new EOFException("it became shorter while it was read");
            }
        }
        position += length;
        return bytes.flip();
    }
}
