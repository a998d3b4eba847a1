package org.ringworld.runtime;

/**
 * A point in a device's queue. It has happened once everything queued on that device before {@link
 * Device#record} has run.
 */
public interface Event {
    /** The event of a device whose queue is always empty, as the CPU's. */
    Event HAPPENED = () -> {};

    /** Blocks the calling host thread until the event has happened. */
    void await();
}
