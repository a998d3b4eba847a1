package org.ringworld.tokenizer.sources;

import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
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
 * @param splits of a {@link SavedDataset} that are not read
 */
record TextFolder(Path directory, List<Path> files, List<Path> others, List<Path> splits) {
    private static final int MOST_TOLD = 5;
    private static final Pattern SPECIAL = Pattern.compile("[*?{\\[]");

    /**
     * @throws DataException where a directory cannot be read
     */
    static TextFolder read(Path directory) throws DataException {
        TextFolder folder =
                new TextFolder(directory, new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
        Set<Path> seen = new HashSet<>();
        // Links after all else: what also lies here itself keeps its own name.
        Deque<Path> links = new ArrayDeque<>(List.of(directory));
        try {
            while (!links.isEmpty()) {
                folder.walk(links.removeFirst(), seen, links);
            }
        } catch (DataException e) {
            throw e;
        } catch (IOException e) {
            throw new DataException(directory + ": cannot be read: " + e.getMessage(), e);
        }
        Collections.sort(folder.files);
        Collections.sort(folder.others);
        return folder;
    }

    /** Whether a path is a pattern, as shells have them, and not the name of something there. */
    static boolean isPattern(Path path) {
        return !Files.exists(path) && SPECIAL.matcher(path.toString()).find();
    }

    /**
     * The files of documents that a pattern matches, itself or a directory above them, by name.
     *
     * @throws DataException where the directory before the pattern is none or cannot be read, or
     *     the pattern is none
     */
    static List<Path> matching(Path pattern) throws DataException {
        Path directory = pattern;
        while (directory != null && SPECIAL.matcher(directory.toString()).find()) {
            directory = directory.getParent();
        }
        Path from = directory == null ? Path.of("") : directory;
        if (!Files.isDirectory(from)) {
            throw new DataException(
                    "%s: there is no directory %s to look in".formatted(pattern, from));
        }
        PathMatcher matcher;
        try {
            matcher = FileSystems.getDefault().getPathMatcher("glob:" + from.relativize(pattern));
        } catch (PatternSyntaxException e) {
            throw new DataException(
                    "%s: is no pattern: %s".formatted(pattern, e.getDescription()), e);
        }
        return read(from).files.stream().filter(f -> matches(matcher, from, f)).toList();
    }

    private static boolean matches(PathMatcher matcher, Path from, Path file) {
        for (Path at = from.relativize(file); at != null; at = at.getParent()) {
            if (matcher.matches(at)) {
                return true;
            }
        }
        return false;
    }

    private void walk(Path at, Set<Path> seen, Deque<Path> links) throws IOException {
        if (!seen.add(at.toRealPath())) {
            return;
        }
        if (SavedDataset.isOne(at)) {
            files.addAll(SavedDataset.files(at));
            return;
        }
        if (SavedDataset.hasSplits(at)) {
            List<Path> all = SavedDataset.splits(at);
            walk(all.getFirst(), seen, links);
            splits.addAll(all.subList(1, all.size()));
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
                (FileKind.isRead(entry) ? files : others).add(entry);
            }
        }
    }

    private static boolean leadsNowhere(Path file) {
        return Files.isSymbolicLink(file) && !Files.exists(file);
    }

    /** A sentence about what is not read; null where there is nothing. */
    String notRead() {
        List<String> sentences = new ArrayList<>();
        if (!others.isEmpty()) {
            sentences.add(
                    "%d files of %s that hold no documents: %s"
                            .formatted(others.size(), directory, named(others)));
        }
        if (!splits.isEmpty()) {
            sentences.add(
                    "all splits but train of %s: name %s to read another"
                            .formatted(directory, splits.getFirst()));
        }
        return sentences.isEmpty() ? null : String.join("; ", sentences);
    }

    private String named(List<Path> paths) {
        String names =
                paths.stream()
                        .limit(MOST_TOLD)
                        .map(
                                path ->
                                        directory.relativize(path)
                                                + (leadsNowhere(path)
                                                        ? " (a link that leads nowhere)"
                                                        : ""))
                        .collect(Collectors.joining(", "));
        return paths.size() > MOST_TOLD ? names + ", …" : names;
    }
}
