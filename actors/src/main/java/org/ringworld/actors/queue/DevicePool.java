package org.ringworld.actors.queue;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;

/**
 * A cluster's devices and who has which: a plain account, without actors.
 *
 * @param <D> a device
 */
final class DevicePool<D> {
    /**
     * What a job may use from now on.
     *
     * @param gracefully whether those that are missing here are still there and only leave
     */
    record Change<D>(List<D> devices, boolean gracefully) {}

    private final Comparator<D> order;
    private final Set<D> listed = new LinkedHashSet<>();
    private final Set<D> gone = new HashSet<>();
    private final Set<D> draining = new HashSet<>();
    private final Map<String, Set<D>> given = new LinkedHashMap<>();

    /**
     * @param order in which they are given
     */
    DevicePool(Comparator<D> order) {
        this.order = order;
    }

    /** These are found, and no others. */
    void list(Collection<D> found) {
        listed.clear();
        listed.addAll(found);
        gone.retainAll(listed);
    }

    /** The cluster has decided: these take no further part, whatever they may still do. */
    void takeOut(Predicate<D> which) {
        listed.stream().filter(which).forEach(gone::add);
    }

    /** These will leave: nobody is given them any more. */
    void drain(Collection<D> leaving) {
        draining.addAll(leaving);
    }

    boolean isDraining(D device) {
        return draining.contains(device);
    }

    /** Those that are found and were not taken out. */
    List<D> present() {
        List<D> present = new ArrayList<>(listed);
        present.removeAll(gone);
        return present;
    }

    /**
     * Gives as many free ones as are needed, at once.
     *
     * @throws IllegalStateException saying that so many are not free
     */
    List<D> take(String id, int needed) {
        requireFree(needed);
        assign(id, needed);
        return of(id);
    }

    /**
     * @throws IllegalStateException saying that so many are not free
     */
    void requireFree(int needed) {
        int free = free().size();
        if (free < needed) {
            throw new IllegalStateException(
                    "%d devices are free, %d are needed".formatted(free, needed));
        }
    }

    /** Those that nobody has, in order. */
    List<D> free() {
        List<D> free = present();
        free.removeAll(draining);
        given.values().forEach(free::removeAll);
        free.sort(order);
        return free;
    }

    /** Those that somebody has. */
    List<D> of(String who) {
        return List.copyOf(given.getOrDefault(who, Set.of()));
    }

    /** Who has a device, if anybody does. */
    Optional<String> holder(D device) {
        return given.entrySet().stream()
                .filter(e -> e.getValue().contains(device))
                .map(Map.Entry::getKey)
                .findFirst();
    }

    /**
     * Takes from somebody what is lost or leaves, and gives what is free up to {@code size}.
     *
     * @return what it may use from now on, where that changes
     */
    Optional<Change<D>> assign(String who, int size) {
        Set<D> has = given.computeIfAbsent(who, _ -> new LinkedHashSet<>());
        Set<D> before = Set.copyOf(has);
        has.retainAll(present());
        boolean lost = has.size() < before.size();
        boolean leaves = has.removeAll(draining);
        List<D> free = free();
        while (has.size() < size && !free.isEmpty()) {
            has.add(free.removeFirst());
        }
        return has.equals(before)
                ? Optional.empty()
                : Optional.of(new Change<>(List.copyOf(has), leaves && !lost));
    }

    /** It has none any more. */
    void giveBack(String who) {
        given.remove(who);
    }
}
