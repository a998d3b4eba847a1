package org.ringworld.tokenizer;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.stream.Stream;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Reads documents: a {@code .txt} file is one, a {@code .jsonl} file has one in the field {@code
 * text} of each line, a directory is all such files below it in the order of their names.
 *
 * <p>Lines of JSON end at LF alone and are strict JSON in strict UTF-8, of which a field given
 * twice counts as given last. Blank lines are skipped; a line that cannot be used is counted, told
 * by file and number, and left out.
 */
final class TextFiles {
    private static final int MOST_TOLD = 20;
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

    private final Consumer<String> documents;
    private final List<String> faults = new ArrayList<>();
    private long badLines;

    /**
     * @param documents receives the text of each document in order
     */
    TextFiles(Consumer<String> documents) {
        this.documents = documents;
    }

    /** The first lines that could not be used, a sentence each. */
    List<String> faults() {
        return List.copyOf(faults);
    }

    /** How many lines could not be used. */
    long badLines() {
        return badLines;
    }

    /**
     * @throws DataException where a file cannot be read, is of no kind that is, or a .txt is not
     *     UTF-8
     */
    void read(Path path) throws DataException {
        try {
            if (!Files.isDirectory(path)) {
                readFile(path);
                return;
            }
            try (Stream<Path> below = Files.walk(path)) {
                List<Path> files =
                        below.filter(
                                        p ->
                                                Files.isRegularFile(p)
                                                        && (is(p, ".txt") || is(p, ".jsonl")))
                                .sorted()
                                .toList();
                if (files.isEmpty()) {
                    throw new DataException(path + ": there is no .txt or .jsonl file in it");
                }
                for (Path file : files) {
                    readFile(file);
                }
            }
        } catch (DataException e) {
            throw e;
        } catch (IOException e) {
            throw new DataException(path + ": cannot be read: " + e.getMessage(), e);
        }
    }

    private static boolean is(Path file, String ending) {
        return file.getFileName().toString().toLowerCase(Locale.ROOT).endsWith(ending);
    }

    private void readFile(Path file) throws IOException {
        if (is(file, ".txt")) {
            documents.accept(Utf8.read(file));
        } else if (is(file, ".jsonl")) {
            readLines(file);
        } else {
            throw new DataException(
                    file + ": is neither a directory nor a .txt nor a .jsonl file that is there");
        }
    }

    private void readLines(Path file) throws IOException {
        if (!Files.exists(file)) {
            throw new DataException(file + ": there is no such file");
        }
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
        JsonNode text = record.path("text");
        if (!record.isObject()) {
            skip(file, number, "is not an object");
        } else if (text.isMissingNode()) {
            skip(file, number, "has no field text");
        } else if (!text.isString()) {
            skip(file, number, "has a field text that is no string but " + text.getNodeType());
        } else {
            documents.accept(text.stringValue());
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
        badLines++;
        if (faults.size() < MOST_TOLD) {
            faults.add("%s: line %d %s".formatted(file, number, why));
        }
    }
}
