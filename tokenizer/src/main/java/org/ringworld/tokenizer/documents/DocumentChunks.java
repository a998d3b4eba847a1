package org.ringworld.tokenizer.documents;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.TextDecoder;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.sources.TextFiles;

/**
 * Documents cut into pieces of a number of tokens, as questions are made about (LWM, §3.3). The
 * pieces of a document, one after the other, are its text: no character is cut.
 */
public final class DocumentChunks {
    private DocumentChunks() {}

    /**
     * @param document its number, from 0
     * @param source file, and line of a {@code .jsonl}
     */
    public record Chunk(int document, String source, String text) {}

    /**
     * All pieces of all documents of a directory, a {@code .txt} or a {@code .jsonl} file with
     * their text in the field {@code text}; lines without are left out.
     *
     * @throws DataException where a file cannot be read
     */
    public static List<Chunk> read(Path path, Tokenizer tokenizer, int tokens)
            throws DataException {
        List<Chunk> chunks = new ArrayList<>();
        int[] document = {0};
        new TextFiles(
                        example -> {
                            String text =
                                    example.fault() != null
                                            ? ""
                                            : example.fields().path("text").asString("");
                            if (!text.isEmpty()) {
                                String source = example.tell("").strip();
                                cut(document[0]++, source, text, tokenizer, tokens, chunks);
                            }
                        })
                .read(path);
        return chunks;
    }

    private static void cut(
            int document,
            String source,
            String text,
            Tokenizer tokenizer,
            int tokens,
            List<Chunk> into) {
        TextDecoder decoder = tokenizer.decoder();
        StringBuilder chunk = new StringBuilder();
        int[] ids = tokenizer.encode(text);
        for (int i = 0; i < ids.length; i++) {
            chunk.append(decoder.next(ids[i]));
            if ((i + 1) % tokens == 0 && !chunk.isEmpty()) {
                into.add(new Chunk(document, source, chunk.toString()));
                chunk.setLength(0);
            }
        }
        chunk.append(decoder.finish());
        if (!chunk.isEmpty()) {
            into.add(new Chunk(document, source, chunk.toString()));
        }
    }
}
