package org.ringworld.tokenizer.documents;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.Utf8;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.JsonNodeFactory;

/**
 * Reads what documents are made from: a {@code .txt} file is one, a {@code .jsonl} file has one in
 * each line, a directory is all such files below it in the order of their names, but for hidden
 * ones.
 *
 * <p>Lines of JSON end at LF alone and are strict JSON in strict UTF-8, of which a field given
 * twice counts as given last. Blank lines are skipped; a line that cannot be used is an example
 * with a fault.
 */
final class TextFiles {
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

    /**
     * What a document is made from.
     *
     * @param line of the file, from 1; 0: all of it
     * @param fields by name; of a {@code .txt} it is {@code text}; null where there is a fault
     * @param fault why the line cannot be used; null where it can
     */
    record Example(Path file, long line, JsonNode fields, String fault) {
        String tell(String why) {
            return line == 0 ? file + " " + why : "%s: line %d %s".formatted(file, line, why);
        }
    }

    /**
     * @param examples receives them in order
     */
    TextFiles(Consumer<Example> examples) {
        this.examples = examples;
    }

    /**
     * @throws DataException where a file cannot be read, is of no kind that is, or a .txt is not
     *     UTF-8
     */
    void read(Path path) throws DataException {
        for (Path file : list(path)) {
            try {
                readFile(file);
            } catch (DataException e) {
                throw e;
            } catch (IOException e) {
                throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
            }
        }
    }

    /** The files that a path stands for, in order. */
    static List<Path> list(Path path) throws DataException {
        if (!Files.exists(path)) {
            throw new DataException(path + ": there is no such file or directory");
        }
        if (!Files.isDirectory(path)) {
            if (!isDocuments(path)) {
                throw new DataException(
                        path + ": is neither a directory nor a .txt nor a .jsonl file");
            }
            return List.of(path);
        }
        TextFolder folder = TextFolder.read(path);
        if (folder.files().isEmpty()) {
            throw new DataException(
                    path
                            + ": there is no .txt or .jsonl file in it"
                            + (folder.others().isEmpty() ? "" : "; " + folder.notRead()));
        }
        return folder.files();
    }

    static boolean isDocuments(Path file) {
        return is(file, ".txt") || is(file, ".jsonl");
    }

    /** Bytes read so far. */
    long bytesRead() {
        return bytesRead;
    }

    private static boolean is(Path file, String ending) {
        return file.getFileName().toString().toLowerCase(Locale.ROOT).endsWith(ending);
    }

    private void readFile(Path file) throws IOException {
        if (is(file, ".jsonl")) {
            readLines(file);
            return;
        }
        String text = Utf8.read(file);
        bytesRead += Files.size(file);
        examples.accept(
                new Example(
                        file, 0, JsonNodeFactory.instance.objectNode().put("text", text), null));
    }

    private void readLines(Path file) throws IOException {
        try (InputStream in = new BufferedInputStream(Files.newInputStream(file), 1 << 16)) {
            ByteArrayOutputStream line = new ByteArrayOutputStream();
            long number = 1;
            int b;
            while ((b = in.read()) >= 0) {
                if (b == '\n') {
                    readLine(file, number++, line.toByteArray());
                    line.reset();
                } else if (line.size() <= LONGEST_LINE) {
                    line.write(b);
                }
            }
            readLine(file, number, line.toByteArray());
        }
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
            skip(file, number, "is not valid JSON: " + e.getOriginalMessage());
            return;
        }
        if (record.isObject()) {
            examples.accept(new Example(file, number, record, null));
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
