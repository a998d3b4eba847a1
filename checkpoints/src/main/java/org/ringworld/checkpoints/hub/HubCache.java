package org.ringworld.checkpoints.hub;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.files.AtomicFiles;

/**
 * A repository as {@code huggingface_hub} keeps it: {@code blobs} by their hashes, in {@code
 * snapshots} a directory of links to them for each commit, in {@code refs} the commit of each
 * branch and tag. What one program fetched, the other finds.
 *
 * @param directory such as {@code models--OWNER--NAME}
 */
public record HubCache(Path directory) {
    private static final Pattern SNAPSHOT =
            Pattern.compile(
                    "(?:models|datasets)--([^/]+?)--([^/]+)/snapshots/([0-9a-f]{7})[0-9a-f]{33}(/.+)?$");

    static HubCache of(Path cache, HubName name) {
        String kind = name.isData() ? "datasets--" : "models--";
        return new HubCache(cache.resolve(kind + name.repository().replace("/", "--")));
    }

    /** The name that a path in such a cache has on the hub; any other path's own name. */
    public static String called(Path path) {
        Path whole = path.toAbsolutePath().normalize();
        Matcher parts = SNAPSHOT.matcher(whole.toString());
        if (!parts.find()) {
            return "" + whole.getFileName();
        }
        return "%s/%s@%s%s"
                .formatted(
                        parts.group(1),
                        parts.group(2),
                        parts.group(3),
                        Objects.requireNonNullElse(parts.group(4), ""));
    }

    /** Where whoever fetches waits for others: one at a time for each repository. */
    Path lock() {
        return directory
                .resolveSibling(".locks")
                .resolve(directory.getFileName())
                .resolve("ringworld.lock");
    }

    Path snapshot(String commit) {
        return directory.resolve("snapshots").resolve(commit);
    }

    Path blob(HubFile file) {
        return directory.resolve("blobs").resolve(file.hash());
    }

    /** Whether a file is there, under its name and whole. */
    boolean has(String commit, HubFile file) throws IOException {
        return isWhole(snapshot(commit).resolve(file.name()), file);
    }

    /** Whether the content of a file is there. */
    boolean hasBlob(HubFile file) throws IOException {
        return isWhole(blob(file), file);
    }

    /** A blob has its name when its checksum was right; its size tells what was cut off since. */
    private static boolean isWhole(Path path, HubFile file) throws IOException {
        return Files.isRegularFile(path) && Files.size(path) == file.size();
    }

    /** Gives a blob its name in a commit. */
    void link(String commit, HubFile file) throws IOException {
        Path link = snapshot(commit).resolve(file.name());
        Files.createDirectories(link.getParent());
        Path temporary = AtomicFiles.temporary(link);
        Files.deleteIfExists(temporary);
        // Relative, so that the cache may be moved.
        Files.createSymbolicLink(temporary, link.getParent().relativize(blob(file)));
        AtomicFiles.rename(temporary, link);
    }

    /** Whether a revision is known to be a commit: is it, or was noted so. */
    boolean points(String revision, String commit) throws IOException {
        Path ref = directory.resolve("refs").resolve(revision);
        return revision.equals(commit) || Files.exists(ref) && Files.readString(ref).equals(commit);
    }

    /** Notes which commit a branch or tag is. */
    void point(String revision, String commit) throws IOException {
        if (points(revision, commit)) {
            return;
        }
        Path ref = directory.resolve("refs").resolve(revision);
        Files.createDirectories(ref.getParent());
        Path temporary = AtomicFiles.temporary(ref);
        Files.writeString(temporary, commit);
        AtomicFiles.rename(temporary, ref);
    }

    /**
     * The directory of what was fetched before.
     *
     * @throws CheckpointException where nothing was
     */
    Path fetched(HubName name) throws IOException {
        Path ref = directory.resolve("refs").resolve(name.revision());
        String commit =
                Files.isRegularFile(ref, LinkOption.NOFOLLOW_LINKS)
                        ? Files.readString(ref).strip()
                        : name.revision();
        Path snapshot = snapshot(commit);
        if (!HubName.isInside(commit) || !Files.isDirectory(snapshot)) {
            throw new CheckpointException(
                    "%s: is not in %s, and HF_HUB_OFFLINE is set: fetch it once without"
                            .formatted(name, directory.getParent()));
        }
        return snapshot;
    }
}
