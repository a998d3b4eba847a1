package org.ringworld.model.training.job;

import com.typesafe.config.Config;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import org.ringworld.checkpoints.hub.Hub;
import org.ringworld.tokenizer.sources.TextFiles;

/**
 * Names of Hugging Face's hub, wherever a model, a tokenizer or data is named. Each is fetched
 * where it is read, once, and is a path from then on: no device and no other process has to do with
 * the hub.
 */
public record HubNames(Hub hub) {
    /** Whoever has the bytes of a name. */
    @FunctionalInterface
    private interface Fetch {
        Path path() throws IOException;
    }

    /** A model's path; any other path as it is. */
    public Path model(Path named) throws IOException {
        String name = named.toString();
        return Hub.isName(name) ? fetched(() -> hub.model(name)) : named;
    }

    /** The path of documents; any other path as it is. */
    public Path data(Path named) throws IOException {
        String name = named.toString();
        return Hub.isName(name) ? fetched(() -> hub.data(name, TextFiles::isOfKind)) : named;
    }

    /** The path of a tokenizer or a chat template; all else as it is. */
    public String tokenizer(String named) throws IOException {
        return Hub.isName(named) ? fetched(() -> hub.tokenizer(named)).toString() : named;
    }

    private static Path fetched(Fetch fetch) throws IOException {
        try {
            return fetch.path();
        } catch (IllegalArgumentException e) {
            throw new UsageException(e.getMessage());
        }
    }

    /** A job with paths where it had names. */
    Config inJob(Config job) {
        return KeyValue.mapPaths(
                job,
                (key, path) -> {
                    try {
                        return Hub.isName(path) ? inJob(key, path) : path;
                    } catch (IOException e) {
                        throw new UncheckedIOException(e.getMessage(), e);
                    }
                });
    }

    private String inJob(String key, String name) throws IOException {
        if (key.equals("model.path")) {
            return model(Path.of(name)).toString();
        }
        if (key.endsWith(".path") || key.endsWith(".texts")) {
            return data(Path.of(name)).toString();
        }
        boolean isText = key.equals("tokenizer") || key.endsWith(".chatTemplate");
        return isText ? tokenizer(name) : name;
    }
}
