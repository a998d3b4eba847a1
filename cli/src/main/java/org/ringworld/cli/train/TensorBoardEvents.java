package org.ringworld.cli.train;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.zip.CRC32C;

/**
 * Scalars by step as TensorBoard reads them: {@code events.out.tfevents.*}, records of TensorFlow
 * with its Event messages. A run that goes on has a file more; what was told of steps that are done
 * again is then left out by TensorBoard.
 */
final class TensorBoardEvents implements AutoCloseable {
    // Fields of Event, Summary, Summary.Value and SessionLog (tensorflow/core/{util/event,
    // framework/summary}.proto).
    private static final int WALL_TIME = 1;
    private static final int STEP = 2;
    private static final int FILE_VERSION = 3;
    private static final int SUMMARY = 5;
    private static final int SESSION_LOG = 7;
    private static final int VALUE = 1;
    private static final int TAG = 1;
    private static final int SIMPLE_VALUE = 2;
    private static final int STATUS = 1;
    private static final int START = 1;

    private static final int CRC_MASK = 0xa282ead8;

    private final FileChannel file;

    private interface Fields {
        void write(CodedOutputStream to) throws IOException;
    }

    /**
     * Opens a new file in a directory.
     *
     * @param step after which the run goes on; 0: it begins
     */
    TensorBoardEvents(Path directory, long step) throws IOException {
        long now = System.currentTimeMillis();
        String name =
                "events.out.tfevents.%010d.ringworld.%d.%d"
                        .formatted(now / 1000, ProcessHandle.current().pid(), now % 1000);
        file =
                FileChannel.open(
                        directory.resolve(name),
                        StandardOpenOption.CREATE,
                        StandardOpenOption.APPEND);
        event(to -> to.writeString(FILE_VERSION, "brain.Event:2"));
        if (step > 0) {
            ByteString start = message(to -> to.writeEnum(STATUS, START));
            event(
                    to -> {
                        to.writeInt64(STEP, step + 1);
                        to.writeBytes(SESSION_LOG, start);
                    });
        }
    }

    /** What was so after a step, by name; what is no number is left out. */
    void add(long step, Map<String, Double> values) throws IOException {
        ByteString summary =
                message(
                        to -> {
                            for (Map.Entry<String, Double> one : values.entrySet()) {
                                if (!one.getValue().isNaN()) {
                                    to.writeBytes(VALUE, value(one));
                                }
                            }
                        });
        event(
                to -> {
                    to.writeInt64(STEP, step);
                    to.writeBytes(SUMMARY, summary);
                });
    }

    private static ByteString value(Map.Entry<String, Double> one) throws IOException {
        return message(
                to -> {
                    to.writeString(TAG, one.getKey());
                    to.writeFloat(SIMPLE_VALUE, one.getValue().floatValue());
                });
    }

    private static ByteString message(Fields fields) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        CodedOutputStream to = CodedOutputStream.newInstance(bytes);
        fields.write(to);
        to.flush();
        return ByteString.copyFrom(bytes.toByteArray());
    }

    private void event(Fields fields) throws IOException {
        ByteString event =
                message(
                        to -> {
                            to.writeDouble(WALL_TIME, System.currentTimeMillis() / 1e3);
                            fields.write(to);
                        });
        ByteBuffer record = record(event.toByteArray());
        long end = file.size();
        try {
            while (record.hasRemaining()) {
                file.write(record);
            }
        } catch (IOException e) {
            file.truncate(end); // nothing behind half a record is read
            throw e;
        }
    }

    /** A record of TensorFlow: length, its checksum, bytes, their checksum. */
    private static ByteBuffer record(byte[] bytes) {
        ByteBuffer record = ByteBuffer.allocate(bytes.length + 16).order(ByteOrder.LITTLE_ENDIAN);
        record.putLong(bytes.length);
        record.putInt(masked(record.array(), 0, 8));
        record.put(bytes);
        record.putInt(masked(bytes, 0, bytes.length));
        return record.flip();
    }

    private static int masked(byte[] bytes, int from, int length) {
        CRC32C crc = new CRC32C();
        crc.update(bytes, from, length);
        int value = (int) crc.getValue();
        return (value >>> 15 | value << 17) + CRC_MASK;
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
