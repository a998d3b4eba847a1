package org.ringworld.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.training.job.KeyValue;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.Utf8;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Talks with a model, at a terminal or in a pipe. */
@Command(
        name = "chat",
        description = "Talk with a model, by its chat template.",
        mixinStandardHelpOptions = true,
        showDefaultValues = true,
        footer = {
            "",
            ChatCommand.HELP,
            "",
            "In a pipe, each line is a message, answers go to standard output and all else to standard error.",
            "There is room for the model's context, up to half of the devices' memory, or for maxTokens.",
            "",
            "Examples:",
            "  ringworld chat MODEL --system \"Be brief.\"",
            "  ringworld chat MODEL --temperature 0.8 ring.size=2 maxTokens=8192",
            "  printf '/file book.txt\\nWho hid the letter?\\n' | ringworld chat MODEL"
        })
final class ChatCommand implements Callable<Integer> {
    static final String HELP =
            """
            /file PATH   puts a text file into the next message; several times: one after the other
            /reset       forgets what was said
            /help        shows this
            /exit        ends, as Ctrl-D does
            A line that ends in a backslash goes on in the next one; a paste is one message.
            Ctrl-C stops an answer, or clears the line.""";

    private static final int MOST = 1024;

    @Mixin private ModelOptions model;

    @Mixin private SamplingOptions sampling;

    @Option(names = "--system", paramLabel = "TEXT", description = "What holds for the chat.")
    private String system;

    private TextModel text;
    private Chat chat;
    private Sampler sampler;
    private List<String> stops;
    private final StringBuilder files = new StringBuilder();
    private boolean failed;

    @Override
    public Integer call() throws Exception {
        int most = sampling.most(MOST);
        sampler = sampling.sampler();
        stops = sampling.stops();
        text = model.open();
        int room = text.on().room(text.on().config().maxPositionEmbeddings());
        if (text.template().isLwms()) {
            note("the model has no chat template: LWM's is used");
        }
        boolean terminal = LiveLine.onTerminal();
        try (Engine engine = model.engine(text, room);
                ChatInput in = terminal ? ChatTerminal.open() : ChatInput.lines(System.in)) {
            chat = new Chat(text, engine, new Chat.Limits(room, most, model.beyond()), system);
            in.onInterrupt(chat::stop);
            if (terminal) {
                note("room for " + room + " tokens; /help shows the commands");
            }
            String line = in.next();
            while (line != null && !line.strip().equals("/exit")) {
                take(line);
                line = in.next();
            }
        }
        // At a terminal somebody has seen it.
        return failed && !terminal ? Ringworld.FAILED : Ringworld.DONE;
    }

    private void take(String line) throws InterruptedException {
        String word = line.strip();
        if (word.equals("/reset")) {
            chat.reset();
            files.setLength(0);
        } else if (word.equals("/help")) {
            note(HELP);
        } else if (word.equals("/file") || word.startsWith("/file ")) {
            addFile(word.substring("/file".length()).strip());
        } else if (word.matches("/\\w+")) {
            fail("there is no command " + word + "; /help shows them");
        } else if (!word.isEmpty()) {
            answer(line);
        }
    }

    private void addFile(String name) {
        if (name.isEmpty()) {
            fail("/file needs a path");
            return;
        }
        try {
            String read = Utf8.read(Path.of(KeyValue.withHome(name)));
            files.append(read).append(read.endsWith("\n") ? "\n" : "\n\n");
            note(
                    "%s: %d tokens, in the next message"
                            .formatted(name, text.tokenizer().encode(read).length));
        } catch (DataException | IllegalArgumentException e) {
            fail(e.getMessage());
        }
    }

    private void answer(String line) throws InterruptedException {
        try {
            Written written = chat.answer(files + line, sampler, stops, ChatCommand::show);
            System.out.println();
            note(written.rates());
            files.setLength(0);
        } catch (IllegalArgumentException | UsageException e) {
            fail(e.getMessage());
        }
    }

    private static void show(String part) {
        System.out.print(part);
        System.out.flush();
    }

    private static void note(String sentence) {
        System.err.println(sentence);
    }

    private void fail(String sentence) {
        failed = true;
        note("ringworld: " + sentence);
    }
}
