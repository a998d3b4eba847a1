package org.ringworld.tokenizer.sources;

import dev.hardwood.metadata.ColumnChunk;
import dev.hardwood.metadata.FileMetaData;
import dev.hardwood.metadata.RowGroup;
import dev.hardwood.reader.ParquetFileReader;
import dev.hardwood.reader.RowReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.ringworld.tokenizer.DataException;
import tools.jackson.databind.node.ObjectNode;

/**
 * The rows of a Parquet file as examples, read a batch of pages at a time. What a row has no value
 * for is left out, and so are bytes that are no text.
 */
final class ParquetRows {
    /** Held, since what is not held forgets its level. */
    private static final Logger LOG = Logger.getLogger("dev.hardwood");

    static {
        // What it finds of the processor is nothing to read on a command line.
        LOG.setLevel(Level.WARNING);
    }

    private ParquetRows() {}

    /**
     * @throws DataException where the file is damaged, or written in a way that cannot be read
     */
    static void read(Path file, RowTaker taker) throws DataException {
        long number = 0;
        try (ParquetFileReader parquet = open(file);
                RowReader rows = rows(file, parquet)) {
            long count = parquet.getFileMetaData().numRows();
            RowFields fields = new RowFields();
            ObjectNode row;
            while ((row = next(file, number, rows, fields)) != null) {
                if (++number > count) {
                    break;
                }
                Example example = new Example(file, number, row, null);
                taker.take(example, fields.bytes(), (double) number / count);
            }
            if (number != count) {
                throw unreadable(file, number, new IOException("it says it has " + count));
            }
        } catch (DataException e) {
            throw e;
        } catch (IOException e) {
            throw unreadable(file, number, e);
        }
    }

    private static ParquetFileReader open(Path file) throws DataException {
        ParquetFileReader parquet = null;
        try {
            parquet = ParquetFileReader.open(new ReadFile(file));
            requireRowsInColumns(parquet.getFileMetaData());
            return parquet;
        } catch (IOException | RuntimeException | OutOfMemoryError e) {
            if (parquet != null) {
                close(parquet);
            }
            throw unreadable(file, 0, e);
        }
    }

    private static RowReader rows(Path file, ParquetFileReader parquet) throws DataException {
        try {
            return parquet.rowReader();
        } catch (RuntimeException | OutOfMemoryError e) {
            throw unreadable(file, 0, e);
        }
    }

    private static void close(ParquetFileReader parquet) {
        try {
            parquet.close();
        } catch (IOException | RuntimeException e) {
            // What was wrong before is told.
        }
    }

    /** A damaged count would give rows of nothing without end. */
    private static void requireRowsInColumns(FileMetaData file) {
        long rows = 0;
        for (RowGroup group : file.rowGroups()) {
            rows += group.numRows();
            if (group.columns().isEmpty()) {
                throw new IllegalArgumentException("rows without a column");
            }
            for (ColumnChunk column : group.columns()) {
                if (group.numRows() < 0 || column.metaData().numValues() < group.numRows()) {
                    throw new IllegalArgumentException(
                            "%d rows with %d values in column %s"
                                    .formatted(
                                            group.numRows(),
                                            column.metaData().numValues(),
                                            column.metaData().pathInSchema()));
                }
            }
        }
        if (rows != file.numRows()) {
            throw new IllegalArgumentException(
                    "%d rows in all and %d in its groups".formatted(file.numRows(), rows));
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
        Throwable first = e;
        while (first.getCause() != null) {
            first = first.getCause();
        }
        // Of a compression that is not read it would have us add a library.
        String why =
                String.valueOf(first.getMessage()).replaceFirst("(?s): required library.*", "");
        return new DataException(
                "%s: cannot be read as Parquet after row %d (%s): fetch it again, or write it with Snappy, Zstandard, gzip or no compression; nothing of it was used"
                        .formatted(file, number, why),
                e);
    }
}
