package org.ringworld.actors.links;

import java.io.IOException;

/** A link cannot be had or went wrong; the message says why in a sentence. */
public final class LinkException extends IOException {
    private static final long serialVersionUID = 1;

    LinkException(String sentence) {
        super(sentence);
    }

    LinkException(String sentence, Throwable cause) {
        super(sentence, cause);
    }
}
