package org.ringworld.model.training.job;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigList;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigUtil;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueFactory;
import com.typesafe.config.ConfigValueType;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BinaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** {@code key=value} as it is typed on a command line. */
public final class KeyValue {
    /** Keys whose values are paths. */
    private static final Set<String> PATHS =
            Set.of(
                    "output",
                    "path",
                    "texts",
                    "chatTemplate",
                    "continue",
                    "tokenizer",
                    "queue",
                    "key",
                    "certificate",
                    "authority");

    /** A text in quotes, or (the first group) the mark of a comment outside of them. */
    private static final Pattern COMMENT_MARK =
            Pattern.compile("\"\"\".*?\"\"\"|\"(?:[^\"\\\\]|\\\\.)*\"|(//|#)", Pattern.DOTALL);

    private KeyValue() {}

    /**
     * A job with one value set; a number in the key changes that element of a list alone.
     *
     * @throws UsageException where the text is no key=value, or there is no such element
     */
    static Config set(Config job, String text) {
        int equals = text.indexOf('=');
        if (equals <= 0) {
            throw new UsageException(
                    "'" + text + "' is neither an option nor key=value; try --help");
        }
        String key = text.substring(0, equals).trim();
        String value = text.substring(equals + 1);
        List<String> path;
        try {
            path = ConfigUtil.splitPath(key);
        } catch (ConfigException e) {
            throw new UsageException("'" + key + "' is not a key: " + e.getMessage());
        }
        return ((ConfigObject) set(job.root(), path, value(value), key)).toConfig();
    }

    /**
     * A value as it was typed: HOCON where the whole of it is one HOCON value, else the text
     * itself. A comment's mark or a line's end inside it, as in {@code path=D//books}, is part of
     * the value.
     */
    private static ConfigValue value(String text) {
        try {
            // In a list, so that what follows a comma or a line's end is seen and not left out.
            ConfigObject parsed =
                    ConfigFactory.parseString("value = [" + quoteComments(text) + "\n]").root();
            if (parsed.size() == 1
                    && parsed.get("value") instanceof ConfigList list
                    && list.size() == 1) {
                ConfigValue value = list.getFirst();
                boolean quoted = text.strip().startsWith("\"");
                return isText(value) && !quoted ? ConfigValueFactory.fromAnyRef(text) : value;
            }
        } catch (ConfigException e) {
            // A plain text, such as a path with a colon.
        }
        return ConfigValueFactory.fromAnyRef(text);
    }

    private static boolean isText(ConfigValue value) {
        try {
            return value.valueType() == ConfigValueType.STRING;
        } catch (ConfigException.NotResolved e) {
            return false; // ${a.key}
        }
    }

    /** Puts comment marks outside of quotes into quotes: HOCON joins a"//"b to one text. */
    private static String quoteComments(String text) {
        return COMMENT_MARK
                .matcher(text)
                .replaceAll(
                        mark ->
                                Matcher.quoteReplacement(
                                        mark.group(1) == null
                                                ? mark.group()
                                                : '"' + mark.group(1) + '"'));
    }

    /** The home directory in front of a path that begins with ~, which no shell replaces there. */
    public static String withHome(String path) {
        if (path.equals("~") || path.startsWith("~/")) {
            return System.getProperty("user.home") + path.substring(1);
        }
        if (path.matches("~[^/]+(/.*)?")) {
            throw new UsageException(
                    path + ": write the home directory out; only ~/ stands for your own");
        }
        return path;
    }

    /**
     * A job or a node's settings, each path in which is another; other values stay as they are.
     *
     * @param other is given the key, without places in lists, and the path
     */
    public static Config mapPaths(Config config, BinaryOperator<String> other) {
        return ((ConfigObject) mapPaths("", config.root(), other)).toConfig();
    }

    private static ConfigValue mapPaths(
            String key, ConfigValue value, BinaryOperator<String> other) {
        return switch (value) {
            case ConfigObject object -> {
                ConfigObject with = object;
                String inside = key.isEmpty() ? "" : key + ".";
                for (Map.Entry<String, ConfigValue> entry : object.entrySet()) {
                    with =
                            with.withValue(
                                    entry.getKey(),
                                    mapPaths(inside + entry.getKey(), entry.getValue(), other));
                }
                yield with;
            }
            case ConfigList list ->
                    ConfigValueFactory.fromIterable(
                            list.stream().map(element -> mapPaths(key, element, other)).toList());
            case ConfigValue text
                    when PATHS.contains(key.substring(key.lastIndexOf('.') + 1))
                            && text.unwrapped() instanceof String s -> {
                String changed = other.apply(key, s);
                // The same stays as it was written, without quotes.
                yield changed.equals(s) ? text : ConfigValueFactory.fromAnyRef(changed);
            }
            default -> value;
        };
    }

    /** Sets one value deep inside; a number in the path changes that element of a list alone. */
    private static ConfigValue set(
            ConfigValue at, List<String> path, ConfigValue value, String key) {
        if (path.isEmpty()) {
            return value;
        }
        String head = path.getFirst();
        List<String> rest = path.subList(1, path.size());
        if (at instanceof ConfigList list && head.matches("\\d+")) {
            int index = head.length() > 9 ? Integer.MAX_VALUE : Integer.parseInt(head);
            if (index >= list.size()) {
                throw new UsageException(
                        "%s: there is no element %s; the list has %d, counted from 0"
                                .formatted(key, head, list.size()));
            }
            List<ConfigValue> elements = new ArrayList<>(list);
            elements.set(index, set(elements.get(index), rest, value, key));
            return ConfigValueFactory.fromIterable(elements);
        }
        ConfigObject object = at instanceof ConfigObject o ? o : ConfigFactory.empty().root();
        return object.withValue(head, set(object.get(head), rest, value, key));
    }
}
