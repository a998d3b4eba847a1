package org.ringworld.model.decode;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.layers.ParameterStore;
import org.ringworld.model.ring.LocalRing;
import org.ringworld.model.ring.RingBrokenException;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.cpu.CpuDevice;

/** A ring of ranks in this JVM, each on a thread of its own, told what to do by a scheduler. */
final class ServingRing implements Engine {
    private final boolean fixed;
    private final boolean mirrored;
    private final int pages;
    private final int shortTokens;
    private final Scheduler scheduler;
    private final List<ServingRank> ranks = new CopyOnWriteArrayList<>();
    private PageDirectory directory;
    private final List<Thread> threads = new ArrayList<>();
    private final BlockingQueue<Runnable> words = new LinkedBlockingQueue<>();
    private volatile LocalRing ring;
    private final Thread driver;
    private volatile boolean closed;
    private volatile String fault;
    private volatile CountDownLatch joined;
    private final CountDownLatch stopped;
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
     * @param mirrored whether each rank's full pages lie on the next one, too
     */
    ServingRing(
            Model model,
            LlamaConfig config,
            ServedModel.Options options,
            int size,
            int pages,
            int shortTokens,
            int chunk,
            boolean mirrored) {
        this.mirrored = mirrored;
        this.fixed = options.deterministic();
        this.stopped = new CountDownLatch(size);
        this.pages = pages;
        this.shortTokens = shortTokens;
        directory =
                new PageDirectory(
                        mirrorOf(size, mirrored), pages, Long.MAX_VALUE, shortTokens, fixed);
        scheduler = new Scheduler(directory, JointVocabulary.of(config).count(), chunk, 2, fixed);
        LocalRing first = new LocalRing(size);
        ring = first;
        for (int rank = 0; rank < size; rank++) {
            Device device = new CpuDevice(1);
            ServingRank one = new ServingRank(device, model.on(device), config, options, pages, 40);
            one.join(ring.member(rank));
            ranks.add(one);
            threads.add(
                    Thread.ofPlatform()
                            .start(
                                    () -> {
                                        drive(one, first);
                                        device.close();
                                    }));
        }
        driver = Thread.ofPlatform().start(this::schedule);
    }

    private static int[] mirrorOf(int size, boolean mirrored) {
        return IntStream.range(0, size)
                .map(rank -> mirrored && size > 1 ? (rank + 1) % size : -1)
                .toArray();
    }

    /**
     * @param first the ring that it has joined already
     */
    private void drive(ServingRank rank, LocalRing first) {
        LocalRing in = first;
        while (!closed && ranks.contains(rank)) {
            try {
                if (in != ring) {
                    in = ring;
                    rank.join(in.member(ranks.indexOf(rank)));
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
                while (!closed && broken == ring && ranks.contains(rank)) {
                    Thread.onSpinWait();
                }
            } catch (Throwable e) {
                fault = e.toString();
                in.breakUp(fault);
            }
        }
        awaitOthers();
        rank.close();
    }

    /** What this rank sent by reference may be read until the others have left its ring. */
    private void awaitOthers() {
        try {
            while (!closed && joined.getCount() > 0) {
                Thread.onSpinWait();
            }
            stopped.countDown();
            if (closed) {
                stopped.await();
            }
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** All ranks leave their ring and form another; some are gone, with all that they had. */
    void formAnew(Integer... lost) throws InterruptedException {
        CountDownLatch over = new CountDownLatch(1);
        words.add(
                () -> {
                    ring.breakUp("a new one is formed");
                    joined = new CountDownLatch(ranks.size() - lost.length);
                    ranks.removeAll(Stream.of(lost).map(ranks::get).toList());
                    ring = new LocalRing(ranks.size());
                    try {
                        joined.await();
                    } catch (InterruptedException e) {
                        throw new IllegalStateException(e);
                    }
                    words.removeIf(word -> word instanceof Told);
                    directory =
                            new PageDirectory(
                                    mirrorOf(ranks.size(), mirrored),
                                    pages,
                                    Long.MAX_VALUE,
                                    shortTokens,
                                    fixed);
                    for (int rank = 0; rank < ranks.size(); rank++) {
                        for (HeldPage page : ranks.get(rank).held()) {
                            directory.holds(rank, page);
                        }
                    }
                    scheduler.restart(directory, null);
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

    /** Tokens that were read again after a rank was lost. */
    long recomputed() throws InterruptedException {
        BlockingQueue<Long> tokens = new LinkedBlockingQueue<>();
        words.add(() -> tokens.add(scheduler.load().recomputedTokens()));
        return tokens.take();
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
