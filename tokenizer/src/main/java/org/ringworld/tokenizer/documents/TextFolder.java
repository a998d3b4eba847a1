package org.ringworld.tokenizer.documents;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.ringworld.tokenizer.DataException;

/**
 * The files below a directory. What is hidden (its name begins with a dot, as those do that other
 * systems leave behind) is left out. Links are followed, and each directory is read once, however
 * many links lead to it or around.
 *
 * @param files those of documents, by name
 * @param others all else, by name
 */
record TextFolder(Path directory, List<Path> files, List<Path> others) {
    private static final int MOST_TOLD = 5;

    /**
     * @throws DataException where a directory cannot be read
     */
    static TextFolder read(Path directory) throws DataException {
        TextFolder folder = new TextFolder(directory, new ArrayList<>(), new ArrayList<>());
        Set<Path> seen = new HashSet<>();
        // Links after all else: what also lies here itself keeps its own name.
        Deque<Path> links = new ArrayDeque<>(List.of(directory));
        try {
            while (!links.isEmpty()) {
                folder.walk(links.removeFirst(), seen, links);
            }
        } catch (IOException e) {
            throw new DataException(directory + ": cannot be read: " + e.getMessage(), e);
        }
        Collections.sort(folder.files);
        Collections.sort(folder.others);
        return folder;
    }

    private void walk(Path at, Set<Path> seen, Deque<Path> links) throws IOException {
        if (!seen.add(at.toRealPath())) {
            return;
        }
        List<Path> entries;
        try (Stream<Path> all = Files.list(at)) {
            entries = all.sorted().toList();
        }
        for (Path entry : entries) {
            if (entry.getFileName().toString().startsWith(".")) {
                continue;
            }
            if (Files.isDirectory(entry)) {
                if (Files.isSymbolicLink(entry)) {
                    links.add(entry);
                } else {
                    walk(entry, seen, links);
                }
            } else {
                boolean read = Files.isRegularFile(entry) && TextFiles.isDocuments(entry);
                (read ? files : others).add(entry);
            }
        }
    }

    private static boolean leadsNowhere(Path file) {
        return Files.isSymbolicLink(file) && !Files.exists(file);
    }

    /** A sentence about the others; null where there are none. */
    String notRead() {
        if (others.isEmpty()) {
            return null;
        }
        String names =
                others.stream()
                        .limit(MOST_TOLD)
                        .map(
                                file ->
                                        directory.relativize(file)
                                                + (leadsNowhere(file)
                                                        ? " (a link that leads nowhere)"
                                                        : ""))
                        .collect(Collectors.joining(", "));
        return "%d files of %s that are neither .txt nor .jsonl: %s%s"
                .formatted(others.size(), directory, names, others.size() > MOST_TOLD ? ", …" : "");
    }
}
