package org.ringworld.tokenizer.sources;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import java.util.zip.ZipException;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.Utf8;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Reads what documents are made from: a {@code .txt} file is one, a {@code .jsonl} file has one in
 * each line, a {@code .json} file in each element of its array, a {@code .parquet} or {@code
 * .arrow} file in each row. A directory is all such files below it in the order of their names, but
 * for hidden ones, and a {@link SavedDataset} what that says; a pattern such as {@code DIR/train-*}
 * those that it matches.
 *
 * <p>Lines of JSON end at LF alone and are strict JSON in strict UTF-8, of which a field given
 * twice counts as given last, and one that is null as not given. Blank lines are skipped; a line
 * that cannot be used is an example with a fault. A file that ends too early is never read in part:
 * that ends all reading.
 */
public final class TextFiles {
    private static final int LONGEST_LINE = 1 << 30;
    private static final JsonMapper MAPPER =
            JsonMapper.builder(
                            JsonFactory.builder()
                                    // A book may be one string.
                                    .streamReadConstraints(
                                            StreamReadConstraints.builder()
                                                    .maxStringLength(Integer.MAX_VALUE)
                                                    .build())
                                    .build())
                    .build();

    private final Consumer<Example> examples;
    private long bytesRead;
    private long fileBytesBefore;
    private long fileBytesRead;

    /**
     * @param examples receives them in order
     */
    public TextFiles(Consumer<Example> examples) {
        this.examples = examples;
    }

    /**
     * @throws DataException where a file cannot be read or ends too early, is of no kind that is,
     *     or a .txt is not UTF-8
     */
    public void read(Path path) throws DataException {
        for (Path file : list(path)) {
            try {
                readFile(file);
                fileBytesBefore += Files.size(file);
                fileBytesRead = 0;
            } catch (DataException e) {
                throw e;
            } catch (EOFException | ZipException e) {
                throw damaged(file, e);
            } catch (IOException e) {
                boolean packed = e.getClass().getName().startsWith("com.github.luben.zstd");
                throw packed
                        ? damaged(file, e)
                        : new DataException(file + ": cannot be read: " + e.getMessage(), e);
            } catch (OutOfMemoryError e) {
                throw new DataException(
                        "%s: holds a text that has no room in the memory of this process: split it, or give more with RINGWORLD_JAVA_OPTS=-Xmx8g"
                                .formatted(file),
                        e);
            } catch (LinkageError e) {
                throw new DataException(
                        "%s: its compression needs a native library, which cannot be loaded (%s): unpack the file, or give a directory for it with -Djava.io.tmpdir=DIR"
                                .formatted(file, e.getMessage()),
                        e);
            }
        }
    }

    private static DataException damaged(Path file, IOException e) {
        return new DataException(
                "%s: is damaged or ends too early (%s): fetch it again; nothing of it was used"
                        .formatted(
                                file,
                                e.getMessage() == null ? "its end is missing" : e.getMessage()),
                e);
    }

    /** Without what a programmer would change. */
    private static String reason(JacksonException e) {
        return e.getOriginalMessage()
                .replaceFirst(", from `[^`]*`|: enable `.*| \\(start marker.*", "");
    }

    /**
     * The files that a path or pattern stands for, in order.
     *
     * @throws DataException where there is none
     */
    public static List<Path> list(Path path) throws DataException {
        if (TextFolder.isPattern(path)) {
            List<Path> files = TextFolder.matching(path);
            if (files.isEmpty()) {
                throw new DataException(
                        "%s: no file of documents (%s) matches".formatted(path, FileKind.NAMES));
            }
            return files;
        }
        if (!Files.exists(path)) {
            throw new DataException(path + ": there is no such file or directory");
        }
        if (!Files.isDirectory(path)) {
            if (FileKind.of(path) == null) {
                throw new DataException(
                        "%s: is neither a directory nor %s".formatted(path, FileKind.NAMES));
            }
            return List.of(path);
        }
        TextFolder folder = TextFolder.read(path);
        if (folder.files().isEmpty()) {
            throw new DataException(
                    "%s: there is no file of documents (%s) in it%s"
                            .formatted(
                                    path,
                                    FileKind.NAMES,
                                    folder.others().isEmpty() ? "" : "; " + folder.notRead()));
        }
        return folder.files();
    }

    /** Whether {@link #list} may find something there: a file, a directory, or a pattern. */
    public static boolean mayBe(Path path) {
        return Files.exists(path) || TextFolder.isPattern(path);
    }

    /** Whether a file of that name may hold documents. */
    public static boolean isOfKind(String name) {
        return FileKind.of(Path.of(name)) != null;
    }

    /**
     * A sentence about what below a directory is not read; null where there is nothing, or the path
     * is a file or a pattern.
     *
     * @throws DataException where the directory cannot be read
     */
    public static String notRead(Path path) throws DataException {
        return Files.isDirectory(path) ? TextFolder.read(path).notRead() : null;
    }

    /** Bytes of text read so far, unpacked. */
    public long bytesRead() {
        return bytesRead;
    }

    /** Bytes of the files themselves read so far. */
    public long fileBytesRead() {
        return fileBytesBefore + fileBytesRead;
    }

    private void readFile(Path file) throws IOException {
        switch (FileKind.of(file)) {
            case TEXT -> readText(file);
            case LINES -> readLines(file);
            case JSON -> readJson(file);
            case PARQUET -> ParquetRows.read(file, taker(file));
            case ARROW -> ArrowRows.read(file, taker(file));
        }
    }

    private RowTaker taker(Path file) throws IOException {
        long size = Files.size(file);
        return (row, bytes, share) -> {
            bytesRead += bytes;
            fileBytesRead = (long) (share * size);
            examples.accept(row);
        };
    }

    private void readText(Path file) throws IOException {
        byte[] bytes;
        try (InputStream in = FileKind.open(file)) {
            bytes = in.readNBytes(LONGEST_LINE);
            if (in.read() >= 0) {
                throw new DataException(
                        file + ": is over 1 GiB of text, too long for one document: split it");
            }
        }
        bytesRead += bytes.length;
        String text = Utf8.text(bytes, file);
        examples.accept(
                new Example(
                        file, 0, JsonNodeFactory.instance.objectNode().put("text", text), null));
    }

    private void readLines(Path file) throws IOException {
        try (FileKind.Counted in = FileKind.open(file)) {
            readLines(file, in);
        }
    }

    private void readLines(Path file, FileKind.Counted in) throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        long number = 1;
        int b;
        while ((b = in.read()) >= 0) {
            if (b == '\n') {
                fileBytesRead = in.packedBytes();
                readLine(file, number++, line.toByteArray());
                line.reset();
            } else if (line.size() <= LONGEST_LINE) {
                line.write(b);
            }
        }
        fileBytesRead = in.packedBytes();
        readLine(file, number, line.toByteArray());
    }

    private void readLine(Path file, long number, byte[] line) {
        bytesRead += line.length + 1;
        int start = number == 1 && startsWithByteOrderMark(line) ? 3 : 0;
        if (isBlank(line, start)) {
            return;
        }
        if (line.length > LONGEST_LINE) {
            skip(file, number, "is over 1 GiB long");
            return;
        }
        int fault = Utf8.firstFault(line);
        if (fault >= 0) {
            skip(file, number, "is not UTF-8 at byte " + fault + " of the line");
            return;
        }
        JsonNode record;
        try {
            record =
                    MAPPER.readTree(
                            new String(line, start, line.length - start, StandardCharsets.UTF_8));
        } catch (JacksonException e) {
            skip(file, number, "is not valid JSON: " + reason(e));
            return;
        }
        take(file, number, record);
    }

    /** An array, an element at a time, or lines. */
    private void readJson(Path file) throws IOException {
        try (FileKind.Counted in = FileKind.open(file)) {
            if (in.firstOfJson() != '[') {
                readLines(file, in);
                return;
            }
            long number = 0;
            try (JsonParser parser = MAPPER.createParser(in)) {
                parser.nextToken();
                long before = 0;
                while (parser.nextToken() != JsonToken.END_ARRAY) {
                    JsonNode element = parser.readValueAsTree();
                    long at = parser.currentLocation().getByteOffset();
                    bytesRead += at - before;
                    before = at;
                    fileBytesRead = in.packedBytes();
                    take(file, ++number, element);
                }
                if (parser.nextToken() != null) {
                    throw new DataException(
                            "%s: goes on after the end of its array: write one array, or an object a line"
                                    .formatted(file));
                }
            } catch (JacksonException e) {
                if (e.getCause() instanceof IOException io) {
                    throw io;
                }
                throw new DataException(
                        "%s: is not valid JSON after element %d of its array: %s"
                                .formatted(file, number, reason(e)),
                        e);
            }
        }
    }

    private void take(Path file, long number, JsonNode record) {
        if (record instanceof ObjectNode fields) {
            // As in a table, whose rows lack what they have no value for.
            examples.accept(new Example(file, number, fields.removeNulls(), null));
        } else {
            skip(file, number, "is not an object");
        }
    }

    private static boolean startsWithByteOrderMark(byte[] line) {
        return line.length >= 3
                && line[0] == (byte) 0xef
                && line[1] == (byte) 0xbb
                && line[2] == (byte) 0xbf;
    }

    private static boolean isBlank(byte[] line, int start) {
        for (int i = start; i < line.length; i++) {
            if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r') {
                return false;
            }
        }
        return true;
    }

    private void skip(Path file, long number, String why) {
        examples.accept(new Example(file, number, null, why));
    }
}
