package org.ringworld.model.vision;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.function.Consumer;

/**
 * Work in batches that several threads do side by side: each takes the next batch, and gives what
 * it made of it when all before it is given. The first failure ends all of them.
 */
final class OrderedBatches<A, B> {
    private final Iterator<A> in;
    private final int batch;
    private final Consumer<B> out;
    private long taken;
    private long given;
    private Throwable failure;

    /**
     * @param in read by one thread at a time
     * @param out called by one thread at a time
     */
    OrderedBatches(Iterator<A> in, int batch, Consumer<B> out) {
        this.in = in;
        this.batch = batch;
        this.out = out;
    }

    private record Batch<A>(long number, List<A> items) {}

    /** What is made of a batch, as many as there are in it. */
    interface Body<A, B> {
        List<B> of(List<A> items);
    }

    /** Takes and gives until there is no more. */
    void work(Body<A, B> body) {
        try {
            for (Batch<A> next = take(); next != null; next = take()) {
                give(next.number, body.of(next.items));
            }
        } catch (InterruptedException | RuntimeException | Error e) {
            fail(e);
        }
    }

    private synchronized Batch<A> take() {
        List<A> items = new ArrayList<>();
        while (failure == null && items.size() < batch && in.hasNext()) {
            items.add(in.next());
        }
        return items.isEmpty() ? null : new Batch<>(taken++, items);
    }

    private synchronized void give(long number, List<B> made) throws InterruptedException {
        while (given != number && failure == null) {
            wait();
        }
        if (failure == null) {
            made.forEach(out);
            given++;
            notifyAll();
        }
    }

    /** Ends the work of all threads, after the batches that they are at. */
    synchronized void fail(Throwable e) {
        failure = failure == null ? e : failure;
        notifyAll();
    }

    /** Throws the first failure, if there was one. */
    synchronized void rethrow() throws InterruptedException {
        switch (failure) {
            case null -> {}
            case InterruptedException e -> throw e;
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            default -> throw new IllegalStateException(failure);
        }
    }
}
