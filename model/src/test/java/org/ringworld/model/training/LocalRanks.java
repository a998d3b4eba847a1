package org.ringworld.model.training;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Supplier;
import org.ringworld.model.ring.LocalRing;
import org.ringworld.model.ring.Ring;
import org.ringworld.model.ring.RingBrokenException;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.cpu.CpuDevice;

/**
 * Runs the same work on every rank of a ring in this JVM, each on a device and thread of its own.
 */
public final class LocalRanks {
    private LocalRanks() {}

    public interface Work<T> {
        T run(Ring ring, Device device) throws Exception;
    }

    public static <T> List<T> run(int size, Work<T> work) {
        return run(size, () -> new CpuDevice(1), work);
    }

    /** On devices of that kind. */
    public static <T> List<T> run(int size, Supplier<Device> kind, Work<T> work) {
        LocalRing ring = new LocalRing(size);
        try (ExecutorService threads = Executors.newFixedThreadPool(size)) {
            List<Future<T>> futures = new ArrayList<>();
            for (int rank = 0; rank < size; rank++) {
                Ring member = ring.member(rank);
                Callable<T> task =
                        () -> {
                            try (Device device = kind.get()) {
                                return work.run(member, device);
                            } catch (Throwable e) {
                                ring.breakUp(e.toString());
                                throw e;
                            }
                        };
                futures.add(threads.submit(task));
            }
            List<T> results = new ArrayList<>();
            Throwable failure = null;
            for (Future<T> future : futures) {
                try {
                    results.add(future.get());
                } catch (Exception e) {
                    Throwable cause = e.getCause() == null ? e : e.getCause();
                    failure =
                            failure == null || failure instanceof RingBrokenException
                                    ? cause
                                    : failure;
                }
            }
            if (failure != null) {
                throw new IllegalStateException("a rank failed", failure);
            }
            return results;
        }
    }
}
