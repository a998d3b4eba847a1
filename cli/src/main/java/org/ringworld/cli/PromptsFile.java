package org.ringworld.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.cli.qa.JsonLines;
import org.ringworld.model.attention.PageMemory;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Continuation;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.TextDecoder;
import org.ringworld.tokenizer.Utf8;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * A file of prompts, answered many at once. Its answers are written in the order of the prompts,
 * each line with what it answers ({@code request}, a checksum), so that a file that was cut off is
 * gone on with and never with other prompts. Seconds, which texts that are computed together share,
 * are not in it; what is written depends neither on them nor on interruptions, but for the last
 * digits of logprobs: kernels add up in another order for another number of texts.
 */
final class PromptsFile {
    /** Answers that are waited for at a time: the engine takes as many of them as it has room. */
    private static final int WINDOW = 256;

    /** Texts of the longest's length that there is room for, where memory allows. */
    private static final int AT_ONCE = 32;

    private final ModelOptions options;
    private final TextModel model;
    private final boolean alternatives;
    private final List<PromptLine> lines = new ArrayList<>();
    private final AtomicInteger done = new AtomicInteger();
    private final AtomicLong tokens = new AtomicLong();

    private PromptsFile(ModelOptions options, TextModel model, boolean alternatives) {
        this.options = options;
        this.model = model;
        this.alternatives = alternatives;
    }

    /** Answers what is not yet answered; fails where a line could not be. */
    static int generate(Path in, Path out, ModelOptions model, PromptLine.Defaults defaults)
            throws Exception {
        PromptsFile prompts = new PromptsFile(model, model.open(), defaults.alternatives() != null);
        prompts.read(in, defaults);
        Fence fence = Fence.claimFile(out);
        try (JsonLines answers = new JsonLines(out, fence)) {
            long faults = prompts.checkSame(answers.before(), in, out);
            faults += prompts.answer(answers);
            System.out.printf("%s: %d lines%n", out, prompts.lines.size());
            if (faults > 0) {
                System.err.printf("ringworld: %d of them have an error%n", faults);
            }
            return faults > 0 ? Ringworld.FAILED : Ringworld.DONE;
        } finally {
            fence.release();
        }
    }

    private void read(Path in, PromptLine.Defaults defaults) throws DataException {
        var template = model.template();
        for (String line : Utf8.read(in).lines().toList()) {
            try {
                lines.add(PromptLine.parse(line, defaults, model.tokenizer(), template));
            } catch (UsageException e) {
                throw new UsageException(
                        "%s: line %d: %s".formatted(in, lines.size() + 1, e.getMessage()));
            }
        }
        if (lines.isEmpty()) {
            throw new UsageException(in + ": there is no prompt in it");
        }
    }

    /** How many of the answers that are there are faults. */
    private long checkSame(List<JsonNode> before, Path in, Path out) {
        for (int i = 0; i < before.size(); i++) {
            JsonNode line = before.get(i);
            boolean same =
                    i < lines.size()
                            && line.path("index").asInt(-1) == i
                            && line.path("request").asString("").equals(request(i));
            if (!same) {
                throw new UsageException(
                        "%s: line %d does not answer line %d of %s, asked as now; choose another file"
                                .formatted(out, i + 1, i + 1, in));
            }
        }
        done.set(before.size());
        return before.stream().filter(line -> line.has("error")).count();
    }

    /** How many could not be answered. */
    private long answer(JsonLines answers) throws Exception {
        int from = done.get();
        if (from == lines.size()) {
            return 0;
        }
        long faults = 0;
        int left = lines.size() - from;
        try (Engine engine = options.engine(model, room());
                ExecutorService each = Executors.newVirtualThreadPerTaskExecutor();
                RateLine line =
                        new RateLine("prompts", left, () -> done.get() - from, tokens::get)) {
            line.start();
            Deque<Future<ObjectNode>> open = new ArrayDeque<>();
            int next = from;
            while (next < lines.size() || !open.isEmpty()) {
                if (next < lines.size() && open.size() < WINDOW) {
                    int index = next++;
                    open.add(each.submit(() -> answer(engine, index)));
                    continue;
                }
                ObjectNode answer = open.remove().get();
                answers.add(answer);
                done.incrementAndGet();
                faults += answer.has("error") ? 1 : 0;
            }
        } catch (ExecutionException e) {
            throw new IOException(e.getCause().getMessage(), e.getCause());
        }
        return faults;
    }

    /** For the longest text that can be answered, and for others beside it. */
    private int room() {
        long[] lengths =
                lines.stream()
                        .filter(line -> fault(line) == null)
                        .mapToLong(line -> (long) line.ask().prompt().length + line.ask().most())
                        .toArray();
        long longest = Math.max(1, Arrays.stream(lengths).max().orElse(1));
        long pages = Arrays.stream(lengths).map(n -> n + PageMemory.TOKENS).sum();
        return model.on().room(Math.max(longest, Math.min(pages, AT_ONCE * longest)));
    }

    /** Why it is not even asked. */
    private String fault(PromptLine line) {
        try {
            model.on().checkFits(line.ask().prompt().length, options.beyond());
            return null;
        } catch (UsageException e) {
            return e.getMessage();
        }
    }

    private ObjectNode answer(Engine engine, int index) throws InterruptedException {
        PromptLine line = lines.get(index);
        ObjectNode answer = JsonMapper.shared().createObjectNode();
        answer.put("index", index);
        if (!line.id().isMissingNode()) {
            answer.set("id", line.id());
        }
        String fault = fault(line);
        if (fault == null) {
            try {
                answer.setAll(write(engine, line));
            } catch (IllegalArgumentException e) {
                fault = e.getMessage();
            }
        }
        if (fault != null) {
            answer.put("error", fault);
        }
        return answer.put("request", request(index));
    }

    private ObjectNode write(Engine engine, PromptLine line) throws InterruptedException {
        TextDecoder decoder = model.tokenizer().decoder();
        if (line.continues()) {
            IntStream.of(line.ask().prompt()).forEach(decoder::next);
        }
        try (Answer answer = engine.ask(line.ask())) {
            Continuation written =
                    Continuation.write(
                            answer, model.tokenizer(), decoder, line.stops(), text -> {});
            tokens.addAndGet(written.ids().size());
            return new Written(written, line.ask().prompt().length)
                    .json(model.tokenizer(), alternatives);
        }
    }

    /** Of all that decides what is written, but the model. */
    private String request(int index) {
        PromptLine line = lines.get(index);
        try {
            MessageDigest sha = MessageDigest.getInstance("SHA-256");
            for (int id : line.ask().prompt()) {
                sha.update(ByteBuffer.allocate(Integer.BYTES).putInt(0, id));
            }
            String how =
                    "%d %s %s %d %s"
                            .formatted(
                                    line.ask().most(),
                                    line.ask().sampler(),
                                    line.stops(),
                                    line.ask().alternatives(),
                                    line.id());
            byte[] all = sha.digest(how.getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(all, 0, Long.BYTES);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }
}
