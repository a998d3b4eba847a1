package org.ringworld.model.ring;

/** A ring ended while a device was waiting on it: the step cannot finish and unwinds. */
public final class RingBrokenException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public RingBrokenException(String reason) {
        super(reason);
    }
}
