package org.ringworld.cli.eval;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.sources.TextFiles;
import tools.jackson.databind.JsonNode;

/** A user's file of questions, each an object: lines of JSON, also packed, or a table. */
final class QuestionFile {
    private QuestionFile() {}

    /**
     * All of them.
     *
     * @param parse throws {@link UsageException} saying what is wrong with one
     * @throws UsageException where one is wrong, with its line, or there is none
     */
    static <T> List<T> read(Path file, Function<JsonNode, T> parse) throws DataException {
        List<T> questions = new ArrayList<>();
        new TextFiles(
                        example -> {
                            if (example.fault() != null) {
                                throw new UsageException(example.tell(example.fault()));
                            }
                            try {
                                questions.add(parse.apply(example.fields()));
                            } catch (UsageException e) {
                                throw new UsageException(
                                        example.tell("").strip() + ": " + e.getMessage());
                            }
                        })
                .read(file);
        if (questions.isEmpty()) {
            throw new UsageException(file + ": there is no question in it");
        }
        return questions;
    }

    /**
     * What one of several keys has.
     *
     * @throws UsageException where none or two of them have something
     */
    static JsonNode one(JsonNode line, String... keys) {
        List<String> given =
                Stream.of(keys).filter(key -> line.has(key) && !line.get(key).isNull()).toList();
        if (given.size() != 1) {
            throw new UsageException(
                    "needs one of %s, and has %s"
                            .formatted(
                                    String.join(", ", keys),
                                    given.isEmpty() ? "none" : String.join(" and ", given)));
        }
        return line.get(given.getFirst());
    }

    /** A text, not blank. */
    static String text(JsonNode value, String name) {
        if (!value.isString() || value.stringValue().isBlank()) {
            throw new UsageException(name + " must be a text that is not empty");
        }
        return value.stringValue();
    }

    /** A list of texts, none of them blank. */
    static List<String> texts(JsonNode value, String name) {
        if (!value.isArray() || value.isEmpty()) {
            throw new UsageException(name + " must be a list of texts");
        }
        return value.valueStream().map(v -> text(v, name)).toList();
    }
}
