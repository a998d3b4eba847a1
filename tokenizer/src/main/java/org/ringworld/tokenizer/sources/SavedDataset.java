package org.ringworld.tokenizer.sources;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.Utf8;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A directory that {@code save_to_disk} of Hugging Face's {@code datasets} wrote: a {@code
 * state.json} names its Arrow files. A DatasetDict has one such directory for each split, which a
 * {@code dataset_dict.json} names.
 */
final class SavedDataset {
    private static final String STATE = "state.json";
    private static final String DICT = "dataset_dict.json";
    private static final String TRAIN = "train";

    private SavedDataset() {}

    /** Whether a directory is one, and no DatasetDict. */
    static boolean isOne(Path directory) {
        return Files.isRegularFile(directory.resolve(STATE))
                && Files.isRegularFile(directory.resolve("dataset_info.json"));
    }

    /** Whether a directory is a DatasetDict. */
    static boolean hasSplits(Path directory) {
        return Files.isRegularFile(directory.resolve(DICT));
    }

    /**
     * Its Arrow files.
     *
     * @throws DataException where one is missing, or rows were chosen that nobody wrote down
     */
    static List<Path> files(Path directory) throws DataException {
        JsonNode state = json(directory.resolve(STATE));
        if (!state.path("_indices_data_files").isEmpty()) {
            throw new DataException(
                    "%s: has its rows in another order (_indices_data_files): save it again after flatten_indices()"
                            .formatted(directory));
        }
        List<String> names = new ArrayList<>();
        for (JsonNode file : state.path("_data_files")) {
            names.add(file.path("filename").asString(""));
        }
        return inside(directory, STATE, names);
    }

    /**
     * The directories of a DatasetDict's splits, that of {@code train} first.
     *
     * @throws DataException where it has no such split, or the directory of one is missing
     */
    static List<Path> splits(Path directory) throws DataException {
        List<String> names = new ArrayList<>();
        for (JsonNode split : json(directory.resolve(DICT)).path("splits")) {
            names.add(split.asString(""));
        }
        if (!names.remove(TRAIN)) {
            throw new DataException(
                    "%s: has no split train; it has %s: name the directory of one"
                            .formatted(directory, String.join(", ", names)));
        }
        names.addFirst(TRAIN);
        return inside(directory, DICT, names);
    }

    private static List<Path> inside(Path directory, String saysWho, List<String> names)
            throws DataException {
        List<Path> paths = new ArrayList<>();
        for (String name : names) {
            boolean isPlain = name.matches("[^/\\\\\\x00]+") && !name.matches("\\.\\.?");
            if (!isPlain || !Files.exists(directory.resolve(name))) {
                throw new DataException(
                        "%s: %s names %s, which is not there: fetch or save it again"
                                .formatted(directory, saysWho, name));
            }
            paths.add(directory.resolve(name));
        }
        return paths;
    }

    private static JsonNode json(Path file) throws DataException {
        try {
            return JsonMapper.shared().readTree(Utf8.read(file));
        } catch (JacksonException e) {
            throw new DataException(file + ": is not valid JSON: " + e.getOriginalMessage(), e);
        }
    }
}
