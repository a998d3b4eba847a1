package org.ringworld.runtime.cpu.attention;

import static org.ringworld.runtime.cpu.device.Lanes.COUNT;
import static org.ringworld.runtime.cpu.device.Lanes.get;
import static org.ringworld.runtime.cpu.device.Lanes.load;
import static org.ringworld.runtime.cpu.device.Lanes.set;
import static org.ringworld.runtime.cpu.device.Lanes.store;

import org.ringworld.runtime.cpu.device.Lanes;
import org.ringworld.runtime.cpu.device.Scratch;
import org.ringworld.runtime.cpu.device.WorkerTeam;

/**
 * How attention backward is spread over threads. A thread takes a KV head and, where there are
 * fewer of those than would keep the team busy, one of several classes of its tiles of keys. dk and
 * dv are its own; dq of the first class is added in place and that of the others in a copy each,
 * which are added in order at the end.
 */
public final class KeyClasses {
    /** Floating point operations worth waking another thread for. */
    private static final long LEAST = 1 << 20;

    /** Bytes of the copies of dq; longer blocks of queries are worked off in pieces. */
    private static final long COPIES_BYTES = 128L << 20;

    /** One call, and what a thread does of it. */
    interface Backward {
        /** Queries of a tile at most. */
        int queriesOfATile();

        /** Tiles of queries. */
        int tiles();

        /** The first query of a tile; of the one after the last, the number of queries. */
        long firstQuery(int tile);

        int keyTiles();

        /**
         * Adds what class {@code of} of the tiles of keys of one KV head contributes for tiles
         * [from, end) of the queries; {@code dq} is the address of the first of those.
         */
        void run(int kvHead, int of, int classes, int from, int end, long dq, int worker);
    }

    private final WorkerTeam team;
    private final Scratch scratch;

    public KeyClasses(WorkerTeam team, Scratch scratch) {
        this.team = team;
        this.scratch = scratch;
    }

    public void run(AttentionGradients call, Backward backward) {
        var shape = call.shape();
        int tiles = backward.tiles();
        int classes = classes(shape.g(), team.threads(), backward.keyTiles());
        long tileBytes = 4L * backward.queriesOfATile() * shape.h() * shape.d();
        long most = classes == 1 ? Long.MAX_VALUE : COPIES_BYTES / tileBytes / (classes - 1);
        int piece = Math.clamp(most, 1, Math.max(1, tiles));
        for (int from = 0; from < tiles; from += piece) {
            int first = from;
            int end = Math.min(tiles, from + piece);
            long firstRow = backward.firstQuery(from);
            long rows = backward.firstQuery(end) - firstRow;
            long copyBytes = 4 * rows * shape.h() * shape.d();
            long copies = scratch.shared((classes - 1) * copyBytes);
            Lanes.MEMORY.asSlice(copies, (classes - 1) * copyBytes).fill((byte) 0);
            long dq = call.dq().address() + 4 * firstRow * shape.h() * shape.d();
            team.run(
                    10 * rows * shape.t() * shape.h() * shape.d() < LEAST,
                    shape.g() * classes,
                    (item, worker) -> {
                        int of = item / shape.g();
                        long into = of == 0 ? dq : copies + (of - 1) * copyBytes;
                        backward.run(item % shape.g(), of, classes, first, end, into, worker);
                    });
            for (int c = 0; c < classes - 1; c++) {
                addCopy(dq, copies + c * copyBytes, copyBytes / 4);
            }
        }
    }

    /** As few as keep all threads busy to the end. */
    private static int classes(int heads, int threads, int tiles) {
        int classes = 1;
        while (heads * classes % threads != 0
                && heads * classes < 4 * threads
                && classes < Math.max(1, tiles)) {
            classes++;
        }
        return classes;
    }

    private void addCopy(long dq, long copy, long elements) {
        int pieces = team.items(elements, 1 << 16);
        team.run(
                pieces,
                (piece, _) -> {
                    long i = elements * piece / pieces;
                    long end = elements * (piece + 1) / pieces;
                    for (; i <= end - COUNT; i += COUNT) {
                        store(load(dq + 4 * i).add(load(copy + 4 * i)), dq + 4 * i);
                    }
                    for (; i < end; i++) {
                        set(dq + 4 * i, get(dq + 4 * i) + get(copy + 4 * i));
                    }
                });
    }
}
