package org.ringworld.checkpoints.hub;

import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.WeightFiles;
import org.ringworld.checkpoints.hf.TokenizerExtras;

/** Which files of a repository are fetched: those that are read of it. */
final class HubChoice {
    private static final List<String> BESIDE_WEIGHTS = List.of("config.json", "README.md");
    private static final String INDEX = ".index.json";

    private HubChoice() {}

    /**
     * Of a model the weights in one form, and what stands beside them.
     *
     * @param withWeights false where only its tokenizer is wanted
     * @throws CheckpointException where it has no weights that are read
     */
    static List<HubFile> ofModel(HubName name, HubListing listing, boolean withWeights)
            throws CheckpointException {
        boolean isFile = listing.files().stream().anyMatch(f -> f.name().equals(name.path()));
        String folder = name.path().isEmpty() ? "" : name.path() + "/";
        if (isFile) {
            folder = name.path().substring(0, name.path().lastIndexOf('/') + 1);
        }
        String start = folder;
        List<String> names =
                listing.files().stream()
                        .map(HubFile::name)
                        .filter(n -> n.startsWith(start) && n.indexOf('/', start.length()) < 0)
                        .map(n -> n.substring(start.length()))
                        .toList();
        List<String> wanted = new ArrayList<>();
        if (isFile) {
            wanted.add(name.path().substring(start.length()));
        } else if (withWeights) {
            wanted.addAll(weights(name, names));
        }
        if (withWeights && wanted.isEmpty()) {
            throw nothing(name, listing, "model.safetensors, pytorch_model.bin or LWM's params");
        }
        names.stream().filter(HubChoice::isBeside).forEach(wanted::add);
        if (wanted.isEmpty()) {
            throw nothing(name, listing, "tokenizer");
        }
        return listing.files().stream()
                .filter(f -> f.name().startsWith(start))
                .filter(f -> wanted.contains(f.name().substring(start.length())))
                .toList();
    }

    private static boolean isBeside(String name) {
        return BESIDE_WEIGHTS.contains(name) || TokenizerExtras.isOne(name);
    }

    /** The file that the weights start with; of an index the shards, too. */
    private static List<String> weights(HubName name, List<String> names)
            throws CheckpointException {
        String start = WeightFiles.start(name.toString(), names);
        if (start == null || !start.endsWith(INDEX)) {
            return start == null ? List.of() : List.of(start);
        }
        // model.safetensors.index.json is of model-00001-of-00002.safetensors and the others.
        String whole = start.substring(0, start.length() - INDEX.length());
        int dot = whole.lastIndexOf('.');
        Pattern shard =
                Pattern.compile(
                        Pattern.quote(whole.substring(0, dot))
                                + "-\\d+-of-\\d+"
                                + Pattern.quote(whole.substring(dot)));
        return names.stream().filter(n -> n.equals(start) || shard.matcher(n).matches()).toList();
    }

    /**
     * Of data the one file that is named, or all that may hold documents there.
     *
     * @param isOfKind whether a file of that name may hold documents
     * @throws CheckpointException where there is none
     * @throws IllegalArgumentException where the path is a pattern that is not well-formed
     */
    static List<HubFile> ofData(HubName name, HubListing listing, Predicate<String> isOfKind)
            throws CheckpointException {
        List<HubFile> one =
                listing.files().stream().filter(f -> f.name().equals(name.path())).toList();
        if (!one.isEmpty()) {
            return one;
        }
        PathMatcher matcher = FileSystems.getDefault().getPathMatcher("glob:" + name.path());
        List<HubFile> wanted =
                listing.files().stream()
                        .filter(f -> !f.name().startsWith(".") && !f.name().contains("/."))
                        .filter(f -> isOfKind.test(f.name()))
                        .filter(f -> name.path().isEmpty() || matches(matcher, Path.of(f.name())))
                        .toList();
        if (wanted.isEmpty()) {
            throw nothing(name, listing, "documents of a kind that is read");
        }
        return wanted;
    }

    /** Whether a pattern matches a file or a directory above it. */
    private static boolean matches(PathMatcher matcher, Path file) {
        for (Path at = file; at != null; at = at.getParent()) {
            if (matcher.matches(at)) {
                return true;
            }
        }
        return false;
    }

    private static CheckpointException nothing(HubName name, HubListing listing, String what) {
        String where = name.path().isEmpty() ? "" : " at " + name.path();
        String hint = name.isData() ? "; @refs/convert/parquet may have it as Parquet" : "";
        return new CheckpointException(
                "%s: has no %s%s; it has %s%s".formatted(name, what, where, listing.told(), hint));
    }
}
