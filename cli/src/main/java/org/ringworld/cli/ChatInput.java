package org.ringworld.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;

/** Where a user's messages come from. */
interface ChatInput extends AutoCloseable {
    /** Null at the end. A message that was given up is empty. */
    String next() throws IOException;

    /** What Ctrl-C does from now on, except while a message is typed. */
    void onInterrupt(Runnable stop);

    @Override
    void close() throws IOException;

    /** Of a pipe: a message a line; a backslash at its end joins the next line to it. */
    static ChatInput lines(InputStream in) {
        BufferedReader lines =
                new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
        return new ChatInput() {
            @Override
            public String next() throws IOException {
                String line = lines.readLine();
                while (line != null && line.endsWith("\\")) {
                    String more = lines.readLine();
                    String begun = line.substring(0, line.length() - 1);
                    line = more == null ? begun : begun + "\n" + more;
                }
                return line;
            }

            /** A script that is interrupted ends. */
            @Override
            public void onInterrupt(Runnable stop) {}

            @Override
            public void close() {}
        };
    }
}
