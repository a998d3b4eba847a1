package org.ringworld.examples;

/** What the user gave cannot be used; the message is one sentence for them. Exit code 2. */
final class UsageException extends RuntimeException {
    private static final long serialVersionUID = 1;

    UsageException(String message) {
        super(message);
    }
}
