package org.ringworld.tokenizer;

import java.io.IOException;

/** A tokenizer or document file that cannot be used; the message is one sentence that names it. */
public final class DataException extends IOException {
    private static final long serialVersionUID = 1;

    public DataException(String message) {
        super(message);
    }

    public DataException(String message, Throwable cause) {
        super(message, cause);
    }
}
