package org.ringworld.model.training.coordination;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ringworld.model.training.coordination.Report.Held;

/**
 * Who makes up the ring of an epoch, and whose state counts: a pure function of what the devices
 * said when they stood still.
 *
 * @param ring by rank
 * @param winner the rank whose state all others take over; −1: none holds a whole one
 * @param step that the winner has finished; −1 without one
 * @param behind whether some rank does not hold that very state
 */
public record Roster(List<Held> ring, int winner, long step, boolean behind) {

    /**
     * Takes those first that hold the job's state, the highest step before all: it has what the
     * others lack. Processes of one host are neighbours, so that one link crosses each pair of
     * hosts.
     *
     * @param job its name
     * @param size ranks at most
     */
    public static Roster choose(Collection<Held> devices, String job, int size) {
        List<Held> best = new ArrayList<>(devices);
        best.sort(Comparator.comparingLong((Held l) -> -held(l, job)).thenComparing(Roster::place));
        List<Held> ring = new ArrayList<>(best.subList(0, Math.min(size, best.size())));
        // Hosts in the order of the names of their first processes, each host's devices together.
        Map<String, List<Held>> hosts = new LinkedHashMap<>();
        ring.sort(Comparator.comparing(Roster::place));
        ring.forEach(l -> hosts.computeIfAbsent(l.address().host(), _ -> new ArrayList<>()).add(l));
        List<Held> ordered = hosts.values().stream().flatMap(List::stream).toList();
        long step = ordered.stream().mapToLong(l -> held(l, job)).max().orElse(-1);
        int winner = -1;
        boolean behind = false;
        for (int rank = 0; rank < ordered.size() && step >= 0; rank++) {
            boolean holds = held(ordered.get(rank), job) == step;
            winner = holds && winner < 0 ? rank : winner;
            behind |= !holds;
        }
        return new Roster(ordered, winner, step, behind);
    }

    private static long held(Held held, String job) {
        return held.job().equals(job) ? held.finishedStep() : -1;
    }

    private static String place(Held held) {
        return "%s %5d %s".formatted(held.address().host(), held.address().port(), held.device());
    }

    /** The steps after {@code step} that the winner can tell of, oldest first. */
    List<Report.Stepped> recordsAfter(long last) {
        return winner < 0
                ? List.of()
                : ring.get(winner).steps().stream()
                        .filter(s -> s.step() > last && s.step() <= step)
                        .toList();
    }
}
