import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigValue;

/** Writes docs/job-keys.md from the defaults of a job and the comments beside them; run by scripts/pages. */
private static final Path DEFAULTS = Path.of("model/src/main/resources/job-defaults.conf");

private static final StringBuilder PAGE = new StringBuilder();

private List<String> lines;

void main() throws IOException {
    lines = Files.readAllLines(DEFAULTS);
    PAGE.append(
            """
            # The keys of a job

            Every key with its default, written from [job-defaults.conf](../%s) by
            `scripts/pages`, not by hand. A job is a HOCON file; `key=value` on the command line changes one key, `stages.0.steps=9` that of
            one stage. `./ringworld train JOB.conf --print-config` shows what a job comes to, and a key that no job knows is an error.
            """
                    .formatted(DEFAULTS));
    ConfigObject all = ConfigFactory.parseFile(DEFAULTS.toFile()).root();
    List<String> sections = inOrder(all).filter(key -> isSection(all.get(key))).toList();
    table("The job", "", inOrder(all).filter(key -> !sections.contains(key)).toList(), "", all);
    for (String section : sections) {
        ConfigObject object = (ConfigObject) all.get(section);
        String prefix = section.equals("stage") ? "stages.N." : section + ".";
        table("`" + section + "`", comment(object), inOrder(object).toList(), prefix, object);
    }
    System.out.print(PAGE);
}

boolean isSection(ConfigValue value) {
    return value instanceof ConfigObject object && !object.isEmpty();
}

/** Keys as the file has them, a line each. */
Stream<String> inOrder(ConfigObject object) {
    return object.keySet().stream().sorted(Comparator.comparingInt(key -> object.get(key).origin().lineNumber()));
}

void table(String title, String about, List<String> keys, String prefix, ConfigObject object) {
    PAGE.append("\n## %s\n\n".formatted(title));
    if (!about.isEmpty()) {
        PAGE.append(about).append("\n\n");
    }
    PAGE.append("| key | default | meaning |\n| --- | --- | --- |\n");
    rows(keys, prefix, object);
}

void rows(List<String> keys, String prefix, ConfigObject object) {
    for (String key : keys) {
        ConfigValue value = object.get(key);
        String meaning = comment(value);
        if (meaning.isEmpty()) {
            throw new IllegalStateException(prefix + key + " has no comment beside it in " + DEFAULTS);
        }
        if (isSection(value)) {
            PAGE.append("| `%s%s` | | %s |\n".formatted(prefix, key, meaning));
            rows(inOrder((ConfigObject) value).toList(), prefix + key + ".", (ConfigObject) value);
            continue;
        }
        String text = meaning.replace("|", "\\|").replace("<", "&lt;");
        PAGE.append("| `%s%s` | `%s` | %s |\n".formatted(prefix, key, asWritten(value), text));
    }
}

/** A default as the file has it: 1e-5, which would else be 1.0E-5. */
String asWritten(ConfigValue value) {
    String line = lines.get(value.origin().lineNumber() - 1);
    return line.replaceFirst("^[^=]*= *", "").replaceFirst(" +#.*", "");
}

String comment(ConfigValue value) {
    return value.origin().comments().stream().map(String::strip).collect(Collectors.joining(" "));
}
