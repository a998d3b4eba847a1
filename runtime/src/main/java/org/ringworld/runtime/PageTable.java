package org.ringworld.runtime;

/**
 * Which pages hold the keys of which queries, for a batch of B sequences.
 *
 * @param queries I32 [B+1]: a sequence's queries are rows [queries[b], queries[b+1])
 * @param borders I32 [B+1]: its pages are those of {@code pages} from borders[b] to borders[b+1]
 * @param pages I32: numbers of pages, first those of the pool, then those of the open ones
 */
public record PageTable(Tensor queries, Tensor borders, Tensor pages) {
    /** B. */
    public int sequences() {
        return Math.toIntExact(queries.size() - 1);
    }
}
