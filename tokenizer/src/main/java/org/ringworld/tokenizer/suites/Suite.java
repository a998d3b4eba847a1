package org.ringworld.tokenizer.suites;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** The suites there are. */
public enum Suite {
    /** Hsieh et al. 2024, arXiv:2404.06654. */
    RULER(Ruler.TASKS),

    /** Multi-round coreference: Vodrahalli et al. 2024, arXiv:2409.12640, as OpenAI asks it. */
    MRCR(Mrcr.TASKS),

    /** Kuratov et al. 2024, arXiv:2406.10149. */
    BABILONG(Babilong.TASKS),

    /** Modarressi et al. 2025, arXiv:2502.05167. */
    NOLIMA(Nolima.TASKS);

    private final List<Task> tasks;

    Suite(List<Task> tasks) {
        this.tasks = tasks;
    }

    public List<Task> tasks() {
        return tasks;
    }

    /** As it is called on a command line. */
    public String title() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Those there are. */
    public static List<String> titles() {
        return Arrays.stream(values()).map(Suite::title).toList();
    }

    public static boolean isTitle(String text) {
        return titles().contains(text);
    }

    /**
     * @throws IllegalArgumentException naming those there are
     */
    public static Suite of(String title) {
        List<String> known = titles();
        if (!known.contains(title)) {
            throw new IllegalArgumentException(
                    "there is no suite %s, but %s".formatted(title, String.join(", ", known)));
        }
        return values()[known.indexOf(title)];
    }

    /**
     * Some of its tasks, in its own order.
     *
     * @param names none: all of them
     * @throws IllegalArgumentException where it has no such task, naming those it has
     */
    public List<Task> tasks(List<String> names) {
        List<String> known = tasks.stream().map(Task::name).toList();
        for (String name : names) {
            if (!known.contains(name)) {
                throw new IllegalArgumentException(
                        "%s has no task %s, but %s"
                                .formatted(title(), name, String.join(", ", known)));
            }
        }
        return tasks.stream().filter(t -> names.isEmpty() || names.contains(t.name())).toList();
    }
}
