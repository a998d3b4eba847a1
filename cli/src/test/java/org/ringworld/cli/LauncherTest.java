package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LauncherTest {
    @TempDir private Path home;

    /** In a locale without UTF-8 the JVM would lose all that is not ASCII, arguments first. */
    @Test
    void argumentsAndOutputAreUtf8InAnyLocale() throws Exception {
        Files.copy(Path.of("../ringworld"), home.resolve("ringworld"));
        script("scripts/jdk", "echo " + System.getProperty("java.home"));
        Path classes = Files.createDirectories(home.resolve("cli/target/classes"));
        Path source =
                Files.writeString(
                        home.resolve("Ringworld.java"),
                        """
                        package org.ringworld.cli;
                        public final class Ringworld {
                            public static void main(String[] a) {
                                System.out.print(a[0] + a[0].length());
                            }
                        }
                        """);
        int compiled =
                javax.tools.ToolProvider.getSystemJavaCompiler()
                        .run(null, null, null, "-d", classes.toString(), source.toString());
        assertThat(compiled).isZero();
        Files.createFile(home.resolve("cli/target/ringworld.built"));
        for (String locale : new String[] {"C", "POSIX", "en_US.ISO-8859-1", "C.UTF-8"}) {
            ProcessBuilder launcher =
                    new ProcessBuilder("bash", home.resolve("ringworld").toString(), "é🌷");
            launcher.environment().put("LC_ALL", locale);
            launcher.redirectError(ProcessBuilder.Redirect.DISCARD);
            Process process = launcher.start();
            byte[] out = process.getInputStream().readAllBytes();
            assertThat(new String(out, StandardCharsets.UTF_8)).as(locale).isEqualTo("é🌷3");
        }
    }

    private void script(String name, String text) throws Exception {
        Path file = home.resolve(name);
        Files.createDirectories(file.getParent());
        Files.writeString(file, "#!/bin/sh\n" + text + "\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
}
