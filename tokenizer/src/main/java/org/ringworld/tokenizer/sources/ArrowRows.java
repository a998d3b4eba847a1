package org.ringworld.tokenizer.sources;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import org.ringworld.tokenizer.DataException;

/**
 * The rows of an Arrow stream as examples, a record batch at a time: what Hugging Face's {@code
 * datasets} keeps its data in. What a row has no value for is left out, and so are bytes that are
 * no text.
 */
final class ArrowRows {
    private ArrowRows() {}

    /** A step of reading, which a damaged file ends in any way. */
    @FunctionalInterface
    private interface Step<T> {
        T take() throws IOException;
    }

    /**
     * @throws DataException where the file is damaged or ends too early, or has columns of a type
     *     that is not read
     */
    static void read(Path file, RowTaker taker) throws DataException {
        try (FileChannel channel = FileChannel.open(file)) {
            long size = channel.size();
            ArrowStream stream = take(file, 0, () -> new ArrowStream(channel));
            long number = 0;
            long before = stream.position();
            ArrowBatch batch;
            while ((batch = take(file, number, stream::next)) != null) {
                ArrowBatch rows = batch;
                for (int i = 0; i < rows.rows(); i++) {
                    int row = i;
                    Example example =
                            new Example(
                                    file,
                                    number + 1,
                                    take(file, number, () -> rows.row(row)),
                                    null);
                    number++;
                    double share = (row + 1.0) / rows.rows();
                    double read = before + share * (stream.position() - before);
                    taker.take(example, rows.bytes() / rows.rows(), read / size);
                }
                before = stream.position();
            }
        } catch (DataException e) {
            throw e;
        } catch (IOException e) {
            throw unreadable(file, 0, e);
        }
    }

    private static <T> T take(Path file, long number, Step<T> step) throws DataException {
        try {
            return step.take();
        } catch (UnsupportedOperationException e) {
            throw new DataException(
                    "%s: %s; nothing of it was used".formatted(file, e.getMessage()), e);
        } catch (IOException | RuntimeException | OutOfMemoryError e) {
            throw unreadable(file, number, e);
        }
    }

    private static DataException unreadable(Path file, long number, Throwable e) {
        String why = e.getMessage() == null ? "a place that is not in it" : e.getMessage();
        return new DataException(
                "%s: cannot be read as Arrow after row %d (%s): fetch or save it again; nothing of it was used"
                        .formatted(file, number, why),
                e);
    }
}
