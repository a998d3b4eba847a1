package org.ringworld.runtime.cuda;

/** A call of CUDA that failed; the device goes on. */
public class CudaException extends IllegalStateException {
    private static final long serialVersionUID = 1;

    public CudaException(String message) {
        super(message);
    }

    public CudaException(String message, Throwable cause) {
        super(message, cause);
    }
}
