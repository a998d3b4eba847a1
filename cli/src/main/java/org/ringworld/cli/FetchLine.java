package org.ringworld.cli;

import java.util.Locale;
import org.ringworld.checkpoints.hub.Hub;

/** What is fetched from Hugging Face's hub, on standard error. */
final class FetchLine implements Hub.Progress {
    private BytesLine line;
    private String what;
    private long bytes;
    private long start;

    @Override
    public void begin(String name, long total) {
        what = name;
        bytes = total;
        start = System.nanoTime();
        line = new BytesLine("fetch " + name, total);
    }

    @Override
    public void add(long more) {
        line.add(more);
    }

    @Override
    public void end() {
        line.close();
        double seconds = (System.nanoTime() - start) * 1e-9;
        if (bytes > 0 && line.isDone()) {
            System.err.printf(
                    Locale.ROOT,
                    "fetched %s: %.1f MB in %s, %.1f MB/s%n",
                    what,
                    bytes * 1e-6,
                    LiveLine.time(seconds),
                    bytes * 1e-6 / seconds);
        }
    }

    @Override
    public void note(String sentence) {
        System.err.println("ringworld: " + sentence);
    }
}
