package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What docs/architecture.md names is there. */
class ArchitectureTest {
    private static final Pattern NAMED = Pattern.compile("`([A-Z]\\w*)(?:\\.([a-z]\\w*))?`");

    private static Map<String, String> sources() throws IOException {
        Map<String, String> sources = new HashMap<>();
        for (String module :
                List.of("runtime", "tokenizer", "checkpoints", "model", "actors", "cli")) {
            try (Stream<Path> files = Files.walk(Path.of("..", module, "src"))) {
                for (Path file : files.filter(f -> f.toString().endsWith(".java")).toList()) {
                    String name = file.getFileName().toString().replace(".java", "");
                    sources.put(name, Files.readString(file));
                }
            }
        }
        return sources;
    }

    @Test
    void everyClassAndMethodThatThePageNamesExists() throws IOException {
        Map<String, String> sources = sources();
        List<String> missing = new ArrayList<>();
        int methods = 0;
        Matcher named = NAMED.matcher(Files.readString(Path.of("../docs/architecture.md")));
        while (named.find()) {
            String source = sources.get(named.group(1));
            String method = named.group(2);
            boolean there =
                    source != null
                            && (method == null
                                    || Pattern.compile(
                                                    "^ {4}.*\\b" + method + "\\(",
                                                    Pattern.MULTILINE)
                                            .matcher(source)
                                            .find());
            methods += method == null ? 0 : 1;
            if (!there) {
                missing.add(named.group());
            }
        }
        assertThat(missing).isEmpty();
        assertThat(methods).isGreaterThan(25);
    }
}
