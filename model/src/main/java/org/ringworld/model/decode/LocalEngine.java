package org.ringworld.model.decode;

import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicLong;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.PageMemory;
import org.ringworld.model.ring.RingMember;
import org.ringworld.runtime.Device;

/** Answers on one device, which a thread of its own drives. */
public final class LocalEngine implements Engine {
    /** Tokens that are read at a time. */
    private static final int CHUNK = 512;

    private static final String CLOSED = "the engine was closed";

    private final Device device;
    private final ServedModel model;
    private final ServingRank rank;
    private final int pages;
    private final Scheduler scheduler;
    private final BlockingQueue<Runnable> words = new LinkedBlockingQueue<>();
    private final AtomicLong asked = new AtomicLong();
    private final Thread thread;
    private volatile Load load;
    private boolean closed;
    private volatile boolean over;

    /**
     * A model with room for so many tokens, of all texts together, each in whole pages.
     *
     * @param device owned from now on
     * @param files of the model, owned from now on
     * @param config whose rotary base may differ from the files'
     * @throws OutOfMemoryError where the device has no room
     */
    public LocalEngine(
            Device device,
            ModelFiles files,
            LlamaConfig config,
            ServedModel.Options options,
            int capacity)
            throws CheckpointException {
        this.pages = PageMemory.pages(capacity);
        this.device = device;
        int open = Scheduler.TEXTS + PageMemory.pages(CHUNK) + 1;
        this.model = new ServedModel(device, files, config, options, pages, open);
        this.rank = model.rank();
        rank.join(new RingMember(0, 1));
        this.scheduler =
                new Scheduler(
                        directory(),
                        JointVocabulary.of(config).count(),
                        CHUNK,
                        1,
                        options.deterministic());
        this.load = scheduler.load();
        this.thread = device.newThread("engine", this::run);
        thread.start();
    }

    private PageDirectory directory() {
        return new PageDirectory(1, pages, 0);
    }

    @Override
    public Answer ask(Ask ask) {
        long id = asked.incrementAndGet();
        Answer answer = new Answer(ask, () -> words.add(() -> scheduler.cancel(id)));
        words.add(() -> scheduler.ask(id, ask, answer));
        if (over) { // nobody hears the word
            answer.ended(CLOSED);
        }
        return answer;
    }

    @Override
    public Load load() {
        return load;
    }

    private void run() {
        try {
            while (!closed) {
                boolean idle = scheduler.isIdle() && !rank.hasWork();
                Runnable word = idle ? words.take() : words.poll();
                while (word != null) {
                    word.run();
                    word = words.poll();
                }
                step();
                load = scheduler.load();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            // Also where the thread fails: nobody waits for ever.
            over = true;
            for (Runnable word = words.poll(); word != null; word = words.poll()) {
                word.run();
            }
            scheduler.failAll(CLOSED);
            model.close();
            device.close();
        }
    }

    private void step() {
        scheduler.next().ifPresent(rank::take);
        if (!rank.hasWork()) {
            return;
        }
        try {
            Made made = rank.step();
            if (made != null) {
                scheduler.made(made);
            }
        } catch (RuntimeException | OutOfMemoryError e) {
            // What was being read is to blame; the others go on.
            rank.join(new RingMember(0, 1));
            PageDirectory pages = directory();
            rank.held().forEach(page -> pages.holds(0, page));
            scheduler.restart(pages, e.getMessage() == null ? e.toString() : e.getMessage());
        }
    }

    @Override
    public void close() {
        words.add(() -> closed = true);
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
