package org.ringworld.runtime.cuda;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * CUDA's libraries on this host, whichever versions there are: in the folders that {@code
 * RINGWORLD_CUDA_LIBRARIES} or the system property {@code ringworld.cuda.libraries} names, and
 * where the loader, a toolkit, a distribution or a Python environment has them.
 */
final class HostLibraries {
    /** {@code libnvrtc.so.12}, {@code libnvrtc.so.12.9.86}. */
    private static final String VERSIONED = ".so.([0-9]+(?:[.][0-9]+)*)";

    private HostLibraries() {}

    /** A library's file, and its version as its name says it: 13, or 12.9.86. */
    record Found(Path file, List<Integer> version, boolean named) {
        private int part(int i) {
            return i < version.size() ? version.get(i) : -1;
        }
    }

    /**
     * All files of a library, the newest version first, since an old cuBLAS is several times slower
     * on a new card; those in folders that the user names come before all others.
     *
     * @param name {@code libnvrtc}
     */
    static List<Found> find(String name) {
        List<Found> found = new ArrayList<>();
        Set<Path> seen = new LinkedHashSet<>();
        for (Path folder : named()) {
            collect(folder, name, true, seen, found);
        }
        for (Path folder : usual()) {
            collect(folder, name, false, seen, found);
        }
        found.sort(
                Comparator.comparing(Found::named)
                        .thenComparingInt(f -> f.part(0))
                        .thenComparingInt(f -> f.part(1))
                        .thenComparingInt(f -> f.part(2))
                        .reversed());
        return found;
    }

    private static void collect(
            Path folder, String name, boolean named, Set<Path> seen, List<Found> into) {
        Pattern pattern = Pattern.compile(Pattern.quote(name) + VERSIONED);
        for (Path file : matching(folder, name + ".so.*")) {
            Matcher version = pattern.matcher(file.getFileName().toString());
            try {
                if (version.matches() && seen.add(file.toRealPath())) {
                    into.add(
                            new Found(
                                    file,
                                    Arrays.stream(version.group(1).split("[.]"))
                                            .map(Integer::valueOf)
                                            .toList(),
                                    named));
                }
            } catch (IOException e) {
                // A link to nothing.
            }
        }
    }

    private static List<Path> named() {
        return folders(
                System.getProperty("ringworld.cuda.libraries"),
                System.getenv("RINGWORLD_CUDA_LIBRARIES"));
    }

    private static List<Path> usual() {
        List<Path> folders = new ArrayList<>(folders(System.getenv("LD_LIBRARY_PATH")));
        for (Path toolkit : folders(System.getenv("CUDA_HOME"), System.getenv("CUDA_PATH"))) {
            folders.addAll(List.of(toolkit.resolve("lib64"), toolkit.resolve("lib")));
        }
        for (Path toolkit : matching(Path.of("/usr/local"), "cuda*")) {
            folders.add(toolkit.resolve("lib64"));
        }
        for (String folder :
                List.of("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib")) {
            folders.add(Path.of(folder));
        }
        Stream<Path> pythons =
                Stream.concat(
                        folders(System.getenv("VIRTUAL_ENV"), System.getenv("CONDA_PREFIX"))
                                .stream(),
                        Stream.of(
                                Path.of(System.getProperty("user.home"), ".local"),
                                Path.of("/usr"),
                                Path.of("/usr/local")));
        pythons.forEach(
                home -> {
                    for (Path python : matching(home.resolve("lib"), "python3*")) {
                        for (String packages : List.of("site-packages", "dist-packages")) {
                            for (Path part : matching(python.resolve(packages, "nvidia"), "*")) {
                                folders.add(part.resolve("lib"));
                            }
                        }
                    }
                });
        return folders;
    }

    /** Folders of lists that are separated by colons, or null. */
    private static List<Path> folders(String... lists) {
        return Arrays.stream(lists)
                .filter(Objects::nonNull)
                .flatMap(list -> Arrays.stream(list.split(":")))
                .filter(folder -> !folder.isBlank())
                .map(Path::of)
                .toList();
    }

    private static List<Path> matching(Path folder, String glob) {
        List<Path> found = new ArrayList<>();
        if (Files.isDirectory(folder)) {
            try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, glob)) {
                files.forEach(found::add);
            } catch (IOException e) {
                // A folder that this user may not read has nothing for him.
            }
        }
        found.sort(Comparator.naturalOrder());
        return found;
    }
}
