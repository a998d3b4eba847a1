package org.ringworld.checkpoints.hub;

import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What is named on the hub: {@code hf:OWNER/NAME[@REVISION][/PATH]}, with {@code datasets/} after
 * the colon where it is data.
 *
 * @param isData whether it is a data set and no model
 * @param repository {@code OWNER/NAME}
 * @param revision a branch, a tag or a commit
 * @param path a file, a directory or a pattern inside; empty where it is all of it
 */
public record HubName(boolean isData, String repository, String revision, String path) {
    private static final String SCHEME = "hf:";
    private static final String DATA = "datasets/";

    // As fsspec writes it there may be slashes; a Path has at most one of them left.
    private static final Pattern FORM =
            Pattern.compile(
                    "hf:/{0,2}(datasets/)?+(\\w[\\w.-]*/\\w[\\w.-]*)"
                            + "(?:@(refs/(?:convert|pr)/[\\w.-]+|[^/@]+))?(?:/(.*))?");

    /** Whether a text is meant to be such a name, and not a path. */
    public static boolean isMeant(String text) {
        return text.startsWith(SCHEME);
    }

    /**
     * The name of a model or of its tokenizer.
     *
     * @throws IllegalArgumentException where the text is none
     */
    static HubName ofModel(String text) {
        HubName name = read(text, "hf:OWNER/NAME");
        if (name.isData) {
            throw new IllegalArgumentException(
                    text + ": is a data set where a model is meant, hf:OWNER/NAME");
        }
        return name;
    }

    /**
     * The name of data, which may lack {@code datasets/} where nothing else can be meant.
     *
     * @throws IllegalArgumentException where the text is none
     */
    static HubName ofData(String text) {
        HubName name = read(text, "hf:datasets/OWNER/NAME");
        return new HubName(true, name.repository, name.revision, name.path);
    }

    private static HubName read(String text, String form) {
        Matcher parts = FORM.matcher(text);
        if (parts.matches()) {
            String revision = Objects.requireNonNullElse(parts.group(3), "main");
            String path = Objects.requireNonNullElse(parts.group(4), "");
            if (isInside(revision) && isInside(path)) {
                return new HubName(parts.group(1) != null, parts.group(2), revision, path);
            }
        }
        throw new IllegalArgumentException(
                "%s: is no name of the hub's: write %s, with @REVISION and /PATH where they are needed"
                        .formatted(text, form));
    }

    /** Whether a path with slashes, of whoever gave it, stays where it is resolved. */
    static boolean isInside(String path) {
        return !path.startsWith("/")
                && path.chars().noneMatch(c -> c == '\\' || c < ' ')
                && Pattern.compile("/").splitAsStream(path).noneMatch(HubName::leadsElsewhere);
    }

    private static boolean leadsElsewhere(String part) {
        return part.equals(".") || part.equals("..");
    }

    /** The repository below the hub's address, as a browser opens it: {@code datasets/o/n}. */
    String page() {
        return (isData ? DATA : "") + repository;
    }

    /** The repository below {@code /api/}. */
    String api() {
        return (isData ? DATA : "models/") + repository;
    }

    @Override
    public String toString() {
        return SCHEME + page() + (revision.equals("main") ? "" : "@" + revision);
    }
}
