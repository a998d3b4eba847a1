package org.ringworld.tokenizer.documents;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.Utf8;
import org.ringworld.tokenizer.sources.Example;
import org.ringworld.tokenizer.sources.TextFiles;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * The ids of each line of a jsonl file, for people who compare tokenizers: {@code
 * {"text":…,"ids":[…]}} a line, without BOS, exactly as the tokenizer's own library gives them.
 */
public final class TokenizedLines {
    private TokenizedLines() {}

    /**
     * Writes the whole file or nothing.
     *
     * @return lines written
     * @throws DataException where a line has no text, naming it, or a file cannot be used
     */
    public static long write(Path in, Tokenizer tokenizer, Path out) throws DataException {
        Path temporary = out.resolveSibling(out.getFileName() + ".tmp");
        long[] lines = new long[1];
        try {
            try (OutputStream to = new BufferedOutputStream(Files.newOutputStream(temporary))) {
                new TextFiles(
                                example -> {
                                    writeLine(example, tokenizer, to);
                                    lines[0]++;
                                })
                        .read(in);
            }
            Files.move(temporary, out, StandardCopyOption.REPLACE_EXISTING);
            return lines[0];
        } catch (DataException e) {
            throw e;
        } catch (UncheckedIOException e) {
            throw e.getCause() instanceof DataException fault
                    ? fault
                    : unwritten(out, e.getCause());
        } catch (IOException e) {
            throw unwritten(out, e);
        } finally {
            temporary.toFile().delete();
        }
    }

    private static DataException unwritten(Path out, IOException e) {
        return new DataException(out + ": cannot be written: " + e.getMessage(), e);
    }

    private static void writeLine(Example example, Tokenizer tokenizer, OutputStream to) {
        try {
            if (example.fault() != null) {
                throw new DataException(example.tell(example.fault()));
            }
            if (!example.fields().path("text").isString()) {
                throw new DataException(example.tell("has no field text that is a string"));
            }
            String text = Utf8.wellFormed(example.fields().path("text").stringValue());
            ObjectNode line = JsonNodeFactory.instance.objectNode().put("text", text);
            var ids = line.putArray("ids");
            for (int id : tokenizer.encodeLikeReference(text)) {
                ids.add(id);
            }
            to.write(JsonMapper.shared().writeValueAsBytes(line));
            to.write('\n');
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
