package org.ringworld.tokenizer.chat;

/** A template that is wrong, does what it may not, or refuses what it is given. */
public final class JinjaException extends IllegalArgumentException {
    private static final long serialVersionUID = 1;

    private final int line;

    private JinjaException(int line, String message) {
        super(message);
        this.line = line;
    }

    public static JinjaException of(String format, Object... arguments) {
        return new JinjaException(0, format.formatted(arguments));
    }

    /** The same, with the line where it happened; the innermost stays. */
    JinjaException at(int where) {
        return line > 0 ? this : new JinjaException(where, getMessage());
    }

    /** Line of the template, from 1; 0 where it is not known. */
    int line() {
        return line;
    }
}
