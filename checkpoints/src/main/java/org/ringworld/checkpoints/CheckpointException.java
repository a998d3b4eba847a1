package org.ringworld.checkpoints;

import java.io.IOException;

/** A file that cannot be used as it is; the message is one sentence that names the file. */
public final class CheckpointException extends IOException {
    private static final long serialVersionUID = 1;

    public CheckpointException(String message) {
        super(message);
    }

    public CheckpointException(String message, Throwable cause) {
        super(message, cause);
    }
}
