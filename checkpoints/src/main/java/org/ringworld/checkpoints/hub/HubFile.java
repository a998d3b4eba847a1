package org.ringworld.checkpoints.hub;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * A file of a repository.
 *
 * @param name with slashes, below the repository
 * @param size in bytes
 * @param hash by which Git knows its content: SHA-256 of what LFS keeps, else the SHA-1 of a blob;
 *     the name of its blob in the cache
 * @param isLarge whether LFS keeps it
 */
record HubFile(String name, long size, String hash, boolean isLarge) {
    private static final int BUFFER = 1 << 20;

    /** Whether a file on disk holds what this one does. */
    boolean isContentOf(Path file) throws IOException {
        MessageDigest digest = digest(isLarge ? "SHA-256" : "SHA-1");
        if (!isLarge) {
            digest.update("blob %d\0".formatted(size).getBytes(StandardCharsets.US_ASCII));
        }
        byte[] buffer = new byte[BUFFER];
        try (InputStream in = Files.newInputStream(file)) {
            for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                digest.update(buffer, 0, n);
            }
        }
        return HexFormat.of().formatHex(digest.digest()).equals(hash);
    }

    private static MessageDigest digest(String algorithm) {
        try {
            return MessageDigest.getInstance(algorithm);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has it", e);
        }
    }
}
