package org.ringworld.model.decode;

/**
 * Whoever answers: one device, a ring of devices in this JVM, or a cluster. Any number of texts is
 * asked for at once, from any threads; they are computed together.
 */
public interface Engine extends AutoCloseable {
    /**
     * Asks; returns at once. What is wrong with what is asked is told by the answer.
     *
     * @return to be closed when nobody listens any more
     */
    Answer ask(Ask ask);

    /** What it is busy with, as far as it is known just now. From any thread. */
    Load load();

    /** Ends all answers. */
    @Override
    void close();
}
