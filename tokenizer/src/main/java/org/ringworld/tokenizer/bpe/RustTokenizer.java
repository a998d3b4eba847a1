package org.ringworld.tokenizer.bpe;

import ai.djl.huggingface.tokenizers.jni.LibUtils;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.stream.Stream;

/**
 * Hugging Face's own tokenizer behind a handle, freed when nobody has it any more. A panic of the
 * library ends the process: it is given only what {@link HuggingFaceJson} has checked.
 */
final class RustTokenizer {
    private static final Cleaner CLEANER = Cleaner.create();
    private static final TokenizersLibrary LIBRARY = load();

    private final long handle;

    /**
     * @throws IllegalArgumentException where the library refuses the JSON, with its reason
     */
    RustTokenizer(String json) {
        try {
            handle = LIBRARY.createTokenizerFromString(json);
        } catch (RuntimeException e) {
            throw new IllegalArgumentException(e.getMessage(), e);
        }
        long mine = handle;
        CLEANER.register(this, () -> LIBRARY.deleteTokenizer(mine));
    }

    /** Unpacks the library into a folder of its own: no network, no cache in a home directory. */
    private static TokenizersLibrary load() {
        try {
            Path folder = Files.createTempDirectory("ringworld-tokenizers");
            System.setProperty("ai.djl.offline", "true");
            System.setProperty("RUST_FLAVOR", "cpu");
            System.setProperty("ENGINE_CACHE_DIR", folder.toString());
            LibUtils.checkStatus();
            // Loaded: the file itself is not needed any more.
            try (Stream<Path> unpacked = Files.walk(folder)) {
                for (Path path : unpacked.sorted(Comparator.reverseOrder()).toList()) {
                    path.toFile().delete();
                }
            }
            return TokenizersLibrary.LIB;
        } catch (IOException e) {
            throw new UncheckedIOException("the tokenizers library cannot be unpacked", e);
        }
    }

    /** The ids of a text without special tokens around it. */
    int[] encode(String text) {
        long encoding = LIBRARY.encode(handle, text, false);
        try {
            long[] ids = LIBRARY.getTokenIds(encoding);
            int[] narrow = new int[ids.length];
            for (int i = 0; i < ids.length; i++) {
                narrow[i] = (int) ids[i];
            }
            return narrow;
        } finally {
            LIBRARY.deleteEncoding(encoding);
            Reference.reachabilityFence(this);
        }
    }
}
