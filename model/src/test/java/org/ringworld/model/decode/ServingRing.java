package org.ringworld.model.decode;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.layers.ParameterStore;
import org.ringworld.model.ring.LocalRing;
import org.ringworld.model.ring.RingBrokenException;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.cpu.CpuDevice;

/** A ring of ranks in this JVM, each on a thread of its own, told what to do by a scheduler. */
final class ServingRing implements Engine {
    private final PageDirectory directory;
    private final Scheduler scheduler;
    private final List<ServingRank> ranks = new ArrayList<>();
    private final List<Thread> threads = new ArrayList<>();
    private final BlockingQueue<Runnable> words = new LinkedBlockingQueue<>();
    private volatile LocalRing ring;
    private final Thread driver;
    private volatile boolean closed;
    private volatile String fault;
    private volatile CountDownLatch joined;
    private long asked;

    private record Told(Scheduler scheduler, Made made) implements Runnable {
        @Override
        public void run() {
            scheduler.made(made);
        }
    }

    interface Model {
        ParameterStore on(Device device);
    }

    /**
     * @param shortTokens up to which a text lies on one rank
     * @param chunk tokens that are read at a time
     */
    ServingRing(
            Model model,
            LlamaConfig config,
            ServedModel.Options options,
            int size,
            int pages,
            int shortTokens,
            int chunk) {
        boolean fixed = options.deterministic();
        directory =
                fixed
                        ? PageDirectory.fixed(size, pages)
                        : new PageDirectory(size, pages, shortTokens);
        scheduler = new Scheduler(directory, config.vocabSize(), chunk, 2, fixed);
        LocalRing first = new LocalRing(size);
        ring = first;
        for (int rank = 0; rank < size; rank++) {
            Device device = new CpuDevice(1);
            ServingRank one = new ServingRank(device, model.on(device), config, options, pages, 40);
            one.join(ring.member(rank));
            ranks.add(one);
            int number = rank;
            threads.add(
                    Thread.ofPlatform()
                            .start(
                                    () -> {
                                        drive(number, one, first);
                                        device.close();
                                    }));
        }
        driver = Thread.ofPlatform().start(this::schedule);
    }

    /**
     * @param first the ring that it has joined already
     */
    private void drive(int number, ServingRank rank, LocalRing first) {
        LocalRing in = first;
        while (!closed) {
            try {
                if (in != ring) {
                    in = ring;
                    rank.join(in.member(number));
                    joined.countDown();
                }
                Made made = rank.hasWork() ? rank.step() : null;
                if (made != null) {
                    words.add(new Told(scheduler, made));
                } else {
                    Thread.onSpinWait();
                }
            } catch (RingBrokenException e) {
                LocalRing broken = in;
                while (!closed && broken == ring) {
                    Thread.onSpinWait();
                }
            } catch (Throwable e) {
                fault = e.toString();
                in.breakUp(fault);
            }
        }
        rank.close();
    }

    /** All ranks leave their ring and form another. */
    void formAnew() throws InterruptedException {
        CountDownLatch over = new CountDownLatch(1);
        joined = new CountDownLatch(ranks.size());
        words.add(
                () -> {
                    LocalRing old = ring;
                    ring = new LocalRing(ranks.size());
                    old.breakUp("a new one is formed");
                    try {
                        joined.await();
                    } catch (InterruptedException e) {
                        throw new IllegalStateException(e);
                    }
                    words.removeIf(word -> word instanceof Told);
                    scheduler.restart(null);
                    over.countDown();
                });
        over.await();
    }

    private void schedule() {
        try {
            while (!closed) {
                Runnable word = words.poll(10, TimeUnit.MILLISECONDS);
                if (word != null) {
                    word.run();
                }
                if (fault != null) {
                    scheduler.failAll(fault);
                }
                scheduler.next().ifPresent(serve -> ranks.forEach(rank -> rank.take(serve)));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public synchronized Answer ask(Ask ask) {
        long id = ++asked;
        Answer answer = new Answer(ask, () -> words.add(() -> scheduler.cancel(id)));
        words.add(() -> scheduler.ask(id, ask, answer));
        return answer;
    }

    @Override
    public Load load() {
        return Load.UNKNOWN;
    }

    /** Pages that are of no open text. */
    int room() throws InterruptedException {
        BlockingQueue<Integer> room = new LinkedBlockingQueue<>();
        words.add(() -> room.add(directory.room()));
        return room.take();
    }

    @Override
    public void close() {
        closed = true;
        ring.breakUp("the test is over");
        try {
            driver.join();
            for (Thread thread : threads) {
                thread.join();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
