package org.ringworld.model.evaluation;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntUnaryOperator;

/** Many that are answered at once, and told in the order in which they were asked. */
public final class InOrder {
    private InOrder() {}

    /** Answers what has a number, while others are answered. */
    public interface Each<T> {
        T answer(int index) throws Exception;
    }

    /** Is told each answer, in order. */
    public interface Out<T> {
        void answered(T answer) throws Exception;
    }

    /**
     * @param window how many wait at a time when one of that number is next
     * @throws IllegalArgumentException saying what cannot be answered
     */
    public static <T> void run(int from, int to, IntUnaryOperator window, Each<T> each, Out<T> out)
            throws Exception {
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
        try {
            Deque<Future<T>> open = new ArrayDeque<>();
            int next = from;
            while (next < to || !open.isEmpty()) {
                if (next < to && open.size() < window.applyAsInt(next)) {
                    int index = next++;
                    open.add(threads.submit(() -> each.answer(index)));
                } else {
                    out.answered(open.remove().get());
                }
            }
        } catch (ExecutionException e) {
            throw e.getCause() instanceof Exception fault ? fault : e;
        } finally {
            // After a fault nobody waits for the others.
            threads.shutdownNow();
            threads.close();
        }
    }
}
