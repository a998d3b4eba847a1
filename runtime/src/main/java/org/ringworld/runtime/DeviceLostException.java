package org.ringworld.runtime;

/**
 * A device's state is lost (on a card an illegal address, an uncorrectable memory error, a kernel
 * that never ended): every call of it in this process throws this from then on, but {@link
 * Device#close}.
 */
public final class DeviceLostException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public DeviceLostException(String message) {
        super(message);
    }
}
