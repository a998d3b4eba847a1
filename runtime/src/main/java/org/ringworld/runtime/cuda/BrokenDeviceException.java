package org.ringworld.runtime.cuda;

/**
 * The card's state is lost (an illegal address, an uncorrectable memory error, a kernel that never
 * ended): every call of its devices in this process throws this from then on, but {@link
 * CudaDevice#close}.
 */
public final class BrokenDeviceException extends CudaException {
    private static final long serialVersionUID = 1;

    public BrokenDeviceException(String message) {
        super(message);
    }
}
