package org.ringworld.actors.queue.book;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

/**
 * Things of one kind in a queue's directory, each in a file {@code <number>-<name><suffix>} of its
 * own.
 *
 * @param id of a thing, its file's name without the suffix
 */
record QueueFile<T>(String suffix, Class<T> kind, Function<T, String> id) {
    /** All of them, in the order of their numbers. */
    List<T> all(Path queue) throws IOException {
        List<T> all = new ArrayList<>();
        Files.createDirectories(queue);
        try (Stream<Path> files = Files.list(queue)) {
            for (Path file : files.filter(f -> f.toString().endsWith(suffix)).toList()) {
                try {
                    all.add(JsonMapper.shared().readValue(file.toFile(), kind));
                } catch (JacksonException e) {
                    throw new IOException(file + " cannot be read: " + e.getOriginalMessage(), e);
                }
            }
        }
        all.sort(Comparator.comparingInt(one -> number(id.apply(one))));
        return all;
    }

    /** Writes one into the queue's directory, whole or not at all. */
    void write(Path queue, T one) throws IOException {
        String name = id.apply(one) + suffix;
        Path temporary = queue.resolve(name + ".tmp");
        Files.writeString(temporary, JsonMapper.shared().writeValueAsString(one));
        Files.move(
                temporary,
                queue.resolve(name),
                StandardCopyOption.ATOMIC_MOVE,
                StandardCopyOption.REPLACE_EXISTING);
    }

    /** The number that an id begins with: the order of submission. */
    static int number(String id) {
        return Integer.parseInt(id.substring(0, id.indexOf('-')));
    }
}
