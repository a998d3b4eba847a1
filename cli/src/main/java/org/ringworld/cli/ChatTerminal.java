package org.ringworld.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.jline.reader.EOFError;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.ParsedLine;
import org.jline.reader.UserInterruptException;
import org.jline.reader.impl.DefaultParser;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;

/** Messages that are typed at a terminal, with line editing and a history. */
final class ChatTerminal implements ChatInput {
    private static final String PROMPT = "> ";

    private final Terminal terminal;
    private final LineReader reader;

    /** This process's own. */
    static ChatTerminal open() throws IOException {
        return new ChatTerminal(
                TerminalBuilder.builder().system(true).dumb(true).build(), historyFile());
    }

    /**
     * @param terminal owned from now on
     * @param history file of what was typed before; empty: nobody remembers
     */
    ChatTerminal(Terminal terminal, Optional<Path> history) {
        this.terminal = terminal;
        LineReaderBuilder builder =
                LineReaderBuilder.builder()
                        .terminal(terminal)
                        .parser(new Messages())
                        // An exclamation mark is no command.
                        .option(LineReader.Option.DISABLE_EVENT_EXPANSION, true)
                        .variable(LineReader.SECONDARY_PROMPT_PATTERN, "  ");
        history.ifPresent(file -> builder.variable(LineReader.HISTORY_FILE, file));
        reader = builder.build();
    }

    /** A message goes on after a backslash; quotes mean nothing. */
    private static final class Messages extends DefaultParser {
        Messages() {
            setQuoteChars(new char[0]);
            setEscapeChars(new char[0]);
        }

        @Override
        public ParsedLine parse(String line, int cursor, ParseContext context) {
            if (context == ParseContext.ACCEPT_LINE && line.endsWith("\\")) {
                throw new EOFError(-1, cursor, "the message goes on");
            }
            return super.parse(line, cursor, context);
        }
    }

    /** Where the XDG base directories say; none where it cannot be written. */
    private static Optional<Path> historyFile() {
        String state = System.getenv("XDG_STATE_HOME");
        Path home =
                state == null || state.isBlank()
                        ? Path.of(System.getProperty("user.home"), ".local", "state")
                        : Path.of(state);
        Path file = home.resolve("ringworld").resolve("chat-history");
        try {
            Files.createDirectories(file.getParent());
        } catch (IOException e) {
            return Optional.empty();
        }
        Path written = Files.exists(file) ? file : file.getParent();
        return Files.isWritable(written) ? Optional.of(file) : Optional.empty();
    }

    @Override
    public String next() {
        try {
            return reader.readLine(PROMPT).replace("\\\n", "\n");
        } catch (UserInterruptException e) {
            return "";
        } catch (EndOfFileException e) {
            return null;
        }
    }

    @Override
    public void onInterrupt(Runnable stop) {
        terminal.handle(Terminal.Signal.INT, signal -> stop.run());
    }

    @Override
    public void close() throws IOException {
        terminal.close();
    }
}
