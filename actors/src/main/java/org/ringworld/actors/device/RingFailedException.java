package org.ringworld.actors.device;

/** A ring could not do what it was asked; the message says why in one sentence. */
public final class RingFailedException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public RingFailedException(String sentence) {
        super(sentence);
    }
}
