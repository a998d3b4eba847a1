package org.ringworld.runtime;

import java.io.IOException;
import java.io.InputStream;
import java.net.JarURLConnection;
import java.net.URL;
import java.net.URLConnection;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.zip.CRC32;

/** Files that this user's processes share: native libraries unpacked, kernels compiled. */
public final class UserCache {
    private UserCache() {}

    /** {@code $XDG_CACHE_HOME/ringworld}, or {@code ~/.cache/ringworld}. */
    public static Path folder() {
        String base = System.getenv("XDG_CACHE_HOME");
        return (base == null || base.isBlank()
                        ? Path.of(System.getProperty("user.home"), ".cache")
                        : Path.of(base))
                .resolve("ringworld");
    }

    /**
     * A resource as a file of the same name, in a folder of its content's own: what is there with
     * the right checksum is used, else it is written anew.
     *
     * @param kind what the folder's name begins with
     */
    public static Path unpacked(URL resource, String kind) throws IOException {
        long checksum = checksum(resource);
        String path = resource.getPath();
        Path file =
                folder().resolve("%s-%08x".formatted(kind, checksum))
                        .resolve(path.substring(path.lastIndexOf('/') + 1));
        if (!Files.exists(file) || checksum(Files.newInputStream(file)) != checksum) {
            try (InputStream in = resource.openStream()) {
                write(file, in);
            }
        }
        return file;
    }

    /** Writes under another name and renames, so that two processes may do this at once. */
    public static void write(Path file, InputStream content) throws IOException {
        Files.createDirectories(file.getParent());
        Path partial =
                Files.createTempFile(file.getParent(), file.getFileName().toString(), ".partial");
        try {
            Files.copy(content, partial, StandardCopyOption.REPLACE_EXISTING);
            Files.move(partial, file, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(partial);
        }
    }

    /** A jar knows the checksums of what is in it, which spares unpacking a hundred megabytes. */
    private static long checksum(URL resource) throws IOException {
        URLConnection connection = resource.openConnection();
        return connection instanceof JarURLConnection jar
                ? jar.getJarEntry().getCrc()
                : checksum(connection.getInputStream());
    }

    private static long checksum(InputStream stream) throws IOException {
        CRC32 crc = new CRC32();
        byte[] buffer = new byte[1 << 16];
        try (stream) {
            for (int n = stream.read(buffer); n >= 0; n = stream.read(buffer)) {
                crc.update(buffer, 0, n);
            }
        }
        return crc.getValue();
    }
}
