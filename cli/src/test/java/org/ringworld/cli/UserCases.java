package org.ringworld.cli;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;

/** Inputs that users' programs failed on, each of which shows in its output what was read. */
final class UserCases {
    private UserCases() {}

    /** Unpacks them; their folder. */
    static Path unpack(Path into) throws IOException {
        try (InputStream in = UserCases.class.getResourceAsStream("/reports/users.zip");
                ZipInputStream zip = new ZipInputStream(in)) {
            for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                Path file = into.resolve(entry.getName());
                if (entry.isDirectory()) {
                    Files.createDirectories(file);
                } else {
                    Files.createDirectories(file.getParent());
                    Files.copy(zip, file);
                }
            }
        }
        return into.resolve("users");
    }
}
