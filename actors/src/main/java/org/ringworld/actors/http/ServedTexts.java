package org.ringworld.actors.http;

import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ringworld.model.decode.Engine;

/**
 * The models that a front has at present. They come and go while requests are answered: each
 * request ends with the model that it began with. From any thread.
 */
public final class ServedTexts {
    private final Map<String, ServedText> present = new LinkedHashMap<>();
    private final Map<ServedText, Use> uses = new HashMap<>();

    private static final class Use {
        final Runnable onUnused;
        int users = 1; // to be present is a use

        Use(Runnable onUnused) {
            this.onUnused = onUnused;
        }
    }

    /** A model that stays as it is until this is closed. */
    public final class Lease implements AutoCloseable {
        private final ServedText text;
        private boolean closed;

        private Lease(ServedText text) {
            this.text = text;
        }

        public ServedText text() {
            return text;
        }

        @Override
        public void close() {
            synchronized (ServedTexts.this) {
                if (closed) {
                    return;
                }
                closed = true;
            }
            leave(text);
        }
    }

    /**
     * A model is there from now on, in the place of one of the same name.
     *
     * @param onUnused is run when it has been taken away or replaced, and its last request is over
     */
    public void put(ServedText text, Runnable onUnused) {
        ServedText before;
        synchronized (this) {
            uses.put(text, new Use(onUnused));
            before = present.put(text.name(), text);
        }
        if (before != null) {
            leave(before);
        }
    }

    /** A model is not there any more, if it was; requests on their way end. */
    public void remove(Engine engine) {
        ServedText before;
        synchronized (this) {
            before =
                    present.values().stream()
                            .filter(text -> text.engine() == engine)
                            .findFirst()
                            .orElse(null);
            if (before == null) {
                return;
            }
            present.remove(before.name());
        }
        leave(before);
    }

    /** Those that are there, in the order in which they came. */
    public synchronized List<ServedText> present() {
        return List.copyOf(present.values());
    }

    /** Those that are there, and those that requests end with. */
    synchronized List<ServedText> used() {
        return List.copyOf(uses.keySet());
    }

    /**
     * Takes a model for a request.
     *
     * @return null where there is none of this name
     */
    public synchronized Lease take(String name) {
        ServedText text = present.get(name);
        if (text == null) {
            return null;
        }
        uses.get(text).users++;
        return new Lease(text);
    }

    private void leave(ServedText text) {
        Runnable onUnused = null;
        synchronized (this) {
            Use use = uses.get(text);
            if (--use.users == 0) {
                uses.remove(text);
                onUnused = use.onUnused;
            }
        }
        if (onUnused != null) {
            onUnused.run();
        }
    }
}
