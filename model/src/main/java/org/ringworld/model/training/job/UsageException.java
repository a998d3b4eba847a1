package org.ringworld.model.training.job;

/** What the user gave cannot be used; the message is one sentence for them. Exit code 2. */
public final class UsageException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public UsageException(String message) {
        super(message);
    }
}
