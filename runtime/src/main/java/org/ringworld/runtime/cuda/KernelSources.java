package org.ringworld.runtime.cuda;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The text of the kernels, from the class path, or from the folder that the system property {@code
 * ringworld.cuda.sources} names, so that a test may change a line of them.
 */
final class KernelSources {
    /** Each a module of kernels: {@code NAME.cu}. */
    static final List<String> MODULES =
            List.of(
                    "elementwise",
                    "rows",
                    "embedding",
                    "rotary",
                    "quantize",
                    "matmul",
                    "attention",
                    "attention_rows",
                    "vision");

    private static final String FOLDER = System.getProperty("ringworld.cuda.sources");
    private static final Pattern INCLUDE = Pattern.compile("(?m)^#include \"([^\"]+)\"");

    private KernelSources() {}

    /** A module's text. */
    static String of(String module) {
        return read(module + ".cu");
    }

    /** What a module includes, directly or not, by name. */
    static Map<String, String> headers(String module) {
        Map<String, String> headers = new LinkedHashMap<>();
        collect(of(module), headers);
        return headers;
    }

    private static void collect(String text, Map<String, String> headers) {
        Matcher include = INCLUDE.matcher(text);
        while (include.find()) {
            String name = include.group(1);
            if (!headers.containsKey(name)) {
                headers.put(name, read(name));
                collect(headers.get(name), headers);
            }
        }
    }

    private static String read(String file) {
        try {
            if (FOLDER != null) {
                return Files.readString(Path.of(FOLDER, file));
            }
            try (InputStream in = KernelSources.class.getResourceAsStream(file)) {
                if (in == null) {
                    throw new IllegalStateException("no kernels in " + file + " on the class path");
                }
                return new String(in.readAllBytes(), StandardCharsets.UTF_8);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
