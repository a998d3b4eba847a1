package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The pages that people read: those that are written by programs, and the links of all. */
class PagesTest {
    private static final Path HOME = Path.of("..").toAbsolutePath().normalize();
    private static final Pattern LINK = Pattern.compile("]\\(([^)#\\s]+)(?:#[^)]*)?\\)");

    /** Else: scripts/pages. */
    @ParameterizedTest
    @CsvSource({"Benchmarks,benchmarks.md", "JobKeys,job-keys.md"})
    void aWrittenPageIsWhatItsProgramMakesOfItsRecords(String program, String page)
            throws Exception {
        Process process =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Dstdout.encoding=UTF-8",
                                "-cp",
                                System.getProperty("java.class.path"),
                                HOME.resolve("scripts").resolve(program + ".java").toString())
                        .directory(HOME.toFile())
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
        String made = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).isZero();
        assertThat(HOME.resolve("docs").resolve(page)).as("scripts/pages").hasContent(made);
    }

    @Test
    void everyLinkLeadsToAFile() throws IOException {
        List<String> broken = new ArrayList<>();
        for (Path page : pages()) {
            Matcher link = LINK.matcher(Files.readString(page));
            while (link.find()) {
                boolean isAddress = link.group(1).contains("://");
                if (!isAddress && !Files.exists(page.resolveSibling(link.group(1)))) {
                    broken.add(HOME.relativize(page) + ": " + link.group(1));
                }
            }
        }
        assertThat(broken).isEmpty();
    }

    @Test
    void theNoticeNamesEveryLibrary() throws IOException {
        List<String> named =
                List.of(Files.readString(HOME.resolve("NOTICE")).split("[\\s,;:().]+"));
        List<String> libraries =
                Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                        .filter(entry -> entry.endsWith(".jar") && !isOurs(Path.of(entry)))
                        .map(jar -> Path.of(jar).getFileName().toString())
                        // The family and not the version: junit-jupiter-api is junit-jupiter's.
                        .map(jar -> jar.replaceFirst("(_2\\.13)?-\\d.*", ""))
                        .filter(library -> named.stream().noneMatch(n -> of(n, library)))
                        .toList();
        assertThat(libraries).isEmpty();
    }

    /** A module of this project, which Maven has packed. */
    private static boolean isOurs(Path jar) {
        return jar.toAbsolutePath().normalize().startsWith(HOME.toAbsolutePath().normalize());
    }

    private static boolean of(String family, String library) {
        boolean isTestKit = family.matches("junit-\\w+|archunit");
        return family.equals(library) || isTestKit && library.startsWith(family + "-");
    }

    private static List<Path> pages() throws IOException {
        try (Stream<Path> top = Files.list(HOME);
                Stream<Path> docs = Files.walk(HOME.resolve("docs"))) {
            List<Path> pages =
                    Stream.concat(top, docs).filter(p -> p.toString().endsWith(".md")).toList();
            assertThat(pages).hasSizeGreaterThan(15);
            return pages;
        }
    }
}
