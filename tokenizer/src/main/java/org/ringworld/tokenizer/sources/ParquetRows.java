package org.ringworld.tokenizer.sources;

import dev.hardwood.InputFile;
import dev.hardwood.reader.ParquetFileReader;
import dev.hardwood.reader.RowReader;
import java.io.IOException;
import java.nio.file.Path;
import org.ringworld.tokenizer.DataException;
import tools.jackson.databind.node.ObjectNode;

/**
 * The rows of a Parquet file as examples, read a batch of pages at a time. What a row has no value
 * for is left out, and so are bytes that are no text.
 */
final class ParquetRows {
    private ParquetRows() {}

    /** Takes rows in order. */
    @FunctionalInterface
    interface Taker {
        /**
         * @param bytes of its text
         * @param shareOfFile that is read with it
         */
        void take(Example row, long bytes, double shareOfFile) throws IOException;
    }

    /**
     * @throws DataException where the file is damaged, or written in a way that cannot be read
     */
    static void read(Path file, Taker taker) throws IOException {
        long number = 0;
        try (ParquetFileReader parquet = ParquetFileReader.open(InputFile.of(file));
                RowReader rows = parquet.rowReader()) {
            double count = Math.max(1, parquet.getFileMetaData().numRows());
            RowFields fields = new RowFields();
            while (true) {
                ObjectNode row = next(file, number, rows, fields);
                if (row == null) {
                    return;
                }
                number++;
                Example example = new Example(file, number, row, null);
                taker.take(example, fields.bytes(), Math.min(1, number / count));
            }
        } catch (DataException e) {
            throw e;
        } catch (IOException | RuntimeException e) {
            // Whoever takes the rows may fail too, and says so himself.
            if (number == 0) {
                throw unreadable(file, number, e);
            }
            throw e;
        }
    }

    /** The next row; null after the last. */
    private static ObjectNode next(Path file, long number, RowReader rows, RowFields fields)
            throws DataException {
        try {
            if (!rows.hasNext()) {
                return null;
            }
            rows.next();
            return fields.of(rows);
        } catch (RuntimeException | OutOfMemoryError e) {
            throw unreadable(file, number, e);
        }
    }

    private static DataException unreadable(Path file, long number, Throwable e) {
        return new DataException(
                "%s: cannot be read as Parquet after row %d (%s): fetch it again, or write it with Snappy, Zstandard, gzip or no compression; nothing of it was used"
                        .formatted(file, number, e.getMessage()),
                e);
    }
}
