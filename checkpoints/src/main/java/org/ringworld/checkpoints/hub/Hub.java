package org.ringworld.checkpoints.hub;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Predicate;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.Json;

/**
 * Hugging Face's hub: what it is asked for by name is fetched into the cache, if it is not there
 * yet, and then is a local path. A name has files in the cache only when all that was asked for is
 * there with the right checksums.
 */
public final class Hub {
    /** A file's lock is its process's: the threads of this one wait here. */
    private static final ReentrantLock HERE = new ReentrantLock();

    private final Map<String, String> environment;
    private final HubClient.Patience patience;
    private final Progress progress;

    /** Hears what is fetched. */
    public interface Progress {
        /** Nobody listens. */
        Progress NONE =
                new Progress() {
                    @Override
                    public void begin(String what, long bytes) {}

                    @Override
                    public void add(long bytes) {}

                    @Override
                    public void end() {}

                    @Override
                    public void note(String sentence) {}
                };

        /** So many bytes are to come, and nothing else before the end. */
        void begin(String what, long bytes);

        /** So many more came; less than 0: they have to come again. */
        void add(long bytes);

        /** All are there, or no more will come. */
        void end();

        /** What is waited for. */
        void note(String sentence);
    }

    /**
     * @param environment of which {@code HF_ENDPOINT}, {@code HF_TOKEN}, {@code HF_HOME}, {@code
     *     HF_HUB_CACHE} and {@code HF_HUB_OFFLINE} are read
     */
    public Hub(Map<String, String> environment, Progress progress) {
        this(environment, progress, HubClient.Patience.USUAL);
    }

    Hub(Map<String, String> environment, Progress progress, HubClient.Patience patience) {
        this.environment = Map.copyOf(environment);
        this.progress = progress;
        this.patience = patience;
    }

    /** Whether a text is meant to be a name of the hub's, and no path. */
    public static boolean isName(String text) {
        return HubName.isMeant(text);
    }

    /**
     * The directory or file of a model.
     *
     * @param name {@code hf:OWNER/NAME[@REVISION][/PATH]}
     * @throws IOException where it cannot be had, in a sentence
     * @throws IllegalArgumentException where it is no such name
     */
    public Path model(String name) throws IOException {
        HubName model = HubName.ofModel(name);
        return fetch(model, listing -> HubChoice.ofModel(model, listing, true));
    }

    /** The same without the weights: what a tokenizer and a chat template need. */
    public Path tokenizer(String name) throws IOException {
        HubName model = HubName.ofModel(name);
        return fetch(model, listing -> HubChoice.ofModel(model, listing, false));
    }

    /**
     * The directory, file or pattern of data.
     *
     * @param name {@code hf:[datasets/]OWNER/NAME[@REVISION][/PATH or pattern]}
     * @param isOfKind whether a file of that name may hold documents
     * @throws IOException where it cannot be had, in a sentence
     * @throws IllegalArgumentException where it is no such name
     */
    public Path data(String name, Predicate<String> isOfKind) throws IOException {
        HubName data = HubName.ofData(name);
        return fetch(data, listing -> HubChoice.ofData(data, listing, isOfKind));
    }

    @FunctionalInterface
    private interface Choice {
        List<HubFile> of(HubListing listing) throws CheckpointException;
    }

    private Path fetch(HubName name, Choice choice) throws IOException {
        HubSettings settings = HubSettings.of(environment);
        HubCache cache = HubCache.of(settings.cache(), name);
        if (settings.isOffline()) {
            return cache.fetched(name).resolve(name.path());
        }
        settings.requireSafe();
        try (HubClient client = new HubClient(settings, patience, progress)) {
            HubListing listing = HubListing.of(name, client);
            List<HubFile> wanted = choice.of(listing);
            if (!missing(cache, listing, wanted).isEmpty()
                    || !cache.points(name.revision(), listing.commit())) {
                fetch(name, cache, listing, wanted, client);
            }
            return cache.snapshot(listing.commit()).resolve(name.path());
        } catch (CheckpointException | InterruptedIOException e) {
            throw e;
        } catch (IOException e) {
            throw new CheckpointException(
                    "%s: cannot be written to %s: %s"
                            .formatted(name, cache.directory(), Json.reason(e)),
                    e);
        }
    }

    private static List<HubFile> missing(HubCache cache, HubListing listing, List<HubFile> wanted)
            throws IOException {
        List<HubFile> missing = new ArrayList<>();
        for (HubFile file : wanted) {
            if (!cache.has(listing.commit(), file)) {
                missing.add(file);
            }
        }
        return missing;
    }

    private void fetch(
            HubName name,
            HubCache cache,
            HubListing listing,
            List<HubFile> wanted,
            HubClient client)
            throws IOException {
        Files.createDirectories(cache.lock().getParent());
        Files.createDirectories(cache.directory().resolve("blobs"));
        HERE.lock();
        try (FileChannel channel =
                        FileChannel.open(
                                cache.lock(), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                FileLock _ = lock(channel, name)) {
            // Another process may have fetched them meanwhile.
            List<HubFile> missing = missing(cache, listing, wanted);
            download(name, cache, listing.commit(), missing, client);
            // Only now, so that nobody finds half of what was asked for.
            for (HubFile file : missing) {
                cache.link(listing.commit(), file);
            }
            cache.point(name.revision(), listing.commit());
        } finally {
            HERE.unlock();
        }
    }

    private FileLock lock(FileChannel channel, HubName name) throws IOException {
        FileLock lock = channel.tryLock();
        if (lock == null) {
            progress.note("%s is being fetched by another process: waiting for it".formatted(name));
            lock = channel.lock();
        }
        return lock;
    }

    private void download(
            HubName name, HubCache cache, String commit, List<HubFile> missing, HubClient client)
            throws IOException {
        long bytes = 0;
        for (HubFile file : missing) {
            bytes += cache.hasBlob(file) ? 0 : file.size() - there(cache, file);
        }
        long free = Files.getFileStore(cache.directory()).getUsableSpace();
        if (bytes > free) {
            throw new CheckpointException(
                    String.format(
                            Locale.ROOT,
                            "%s: %.1f GB are to come, and %s has room for %.1f: make some, or give another directory in HF_HUB_CACHE",
                            name,
                            bytes * 1e-9,
                            cache.directory(),
                            free * 1e-9));
        }
        progress.begin(name + " at " + commit.substring(0, 7), bytes);
        try {
            for (HubFile file : missing) {
                Path blob = cache.blob(file);
                if (!cache.hasBlob(file)) {
                    new Download(name, commit, file, blob, client, progress).run();
                }
            }
        } finally {
            progress.end();
        }
    }

    /** Bytes of a file that came before. */
    private static long there(HubCache cache, HubFile file) throws IOException {
        Path incomplete = Download.incomplete(cache.blob(file));
        return Files.exists(incomplete) ? Math.min(Files.size(incomplete), file.size()) : 0;
    }
}
