package org.ringworld.model.decode;

import java.util.List;
import java.util.function.Consumer;

/**
 * Passes a text on as it arrives, up to the first of some stop texts. What may yet become one, be
 * it over several tokens, waits until it is known.
 */
final class StopText {
    private final List<String> stops;
    private final Consumer<String> out;
    private final StringBuilder text = new StringBuilder();
    private int passed;
    private boolean stopped;

    StopText(List<String> stops, Consumer<String> out) {
        this.stops = stops;
        this.out = out;
    }

    /** Whether the text is at its end now. */
    boolean add(String part) {
        text.append(part);
        int end = Integer.MAX_VALUE;
        for (String stop : stops) {
            int at = text.indexOf(stop, passed);
            end = at < 0 ? end : Math.min(end, at);
        }
        if (end < Integer.MAX_VALUE) {
            text.setLength(end);
            stopped = true;
        }
        pass(stopped ? text.length() : text.length() - waiting());
        return stopped;
    }

    /** Characters at the end that a stop text may begin with. */
    private int waiting() {
        int most = 0;
        for (String stop : stops) {
            for (int n = Math.min(stop.length() - 1, text.length() - passed); n > most; n--) {
                if (stop.startsWith(text.substring(text.length() - n))) {
                    most = n;
                }
            }
        }
        return most;
    }

    private void pass(int to) {
        if (to > passed) {
            out.accept(text.substring(passed, to));
            passed = to;
        }
    }

    /** Nothing more comes: what waits is of the text. */
    void finish() {
        pass(text.length());
    }

    boolean isStopped() {
        return stopped;
    }

    /** Characters that have been passed on. */
    int passed() {
        return passed;
    }

    int length() {
        return text.length();
    }

    @Override
    public String toString() {
        return text.toString();
    }
}
