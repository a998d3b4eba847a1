package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.jline.terminal.impl.ExternalTerminal;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ChatTerminalTest {
    @TempDir private Path directory;

    private static ChatTerminal typed(String keys, Optional<Path> history) throws Exception {
        // Stays open: a terminal whose input ends reads no more of it.
        PipedOutputStream keyboard = new PipedOutputStream();
        PipedInputStream in = new PipedInputStream(keyboard);
        keyboard.write(keys.getBytes(StandardCharsets.UTF_8));
        keyboard.flush();
        return new ChatTerminal(
                new ExternalTerminal(
                        "test", "xterm", in, new ByteArrayOutputStream(), StandardCharsets.UTF_8),
                history);
    }

    @Test
    void aBackslashGoesOnAndSoDoesAPasteAndQuotesAreLetters() throws Exception {
        String keys =
                "it's \\\rhere!!\r"
                        + "\033[200~two\nlines\033[201~\r"
                        + "héllo\177\177\177\r"
                        + "\004";
        try (ChatTerminal terminal = typed(keys, Optional.empty())) {
            assertThat(terminal.next()).isEqualTo("it's \nhere!!");
            assertThat(terminal.next()).isEqualTo("two\nlines");
            assertThat(terminal.next()).isEqualTo("hé");
            assertThat(terminal.next()).isNull();
        }
    }

    @Test
    void whatWasTypedIsKeptInAFile() throws Exception {
        Path history = directory.resolve("chat-history");
        try (ChatTerminal terminal = typed("hello\r", Optional.of(history))) {
            assertThat(terminal.next()).isEqualTo("hello");
        }
        assertThat(Files.readString(history)).contains("hello");
        // Ctrl-P brings it back.
        try (ChatTerminal terminal = typed("\020\r", Optional.of(history))) {
            assertThat(terminal.next()).isEqualTo("hello");
        }
    }
}
