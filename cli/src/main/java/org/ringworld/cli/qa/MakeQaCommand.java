package org.ringworld.cli.qa;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.zip.CRC32C;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.cli.LiveLine;
import org.ringworld.cli.Ringworld;
import org.ringworld.model.training.job.KeyValue;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.documents.DocumentChunks;
import org.ringworld.tokenizer.documents.DocumentChunks.Chunk;
import org.ringworld.tokenizer.sources.TextFiles;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Makes long chats about documents: a model asks and answers about each chunk (LWM, §3.3). */
@Command(
        name = "make-qa",
        description = "Make questions about long documents, and their answers, to train a chat on.",
        mixinStandardHelpOptions = true,
        showDefaultValues = true,
        footer = {
            "",
            "Each line of the output is some chunks of one document, then the pairs about them. Train on it with",
            "data.fieldsFromExample=fields: the loss is then taken of answers alone. Interrupted, it goes on when",
            "started again; OUT.pairs keeps each pair until then. A second process on OUT is refused. A key is read from OPENAI_API_KEY.",
            "",
            "Examples:",
            "  ringworld make-qa books --out qa.jsonl --model MODEL",
            "  ringworld make-qa books --out qa.jsonl --endpoint http://localhost:8080/v1 --chunks 128"
        })
public final class MakeQaCommand implements Callable<Integer> {
    private static final long QUIET_NANOS = 5_000_000_000L;
    private static final int ATTEMPTS = 3;
    private static final int BYTES_OF_A_TOKEN = 4;
    public static final String PROMPT =
            """
            Read the passage, then write one question that it answers, and the answer, in this form:
            Question: ...?
            Answer: ...

            Passage:
            """;
    private static final int MOST_TOLD = 20;

    @Parameters(
            paramLabel = "DOCUMENTS",
            description = "A directory, .txt or .jsonl file (its field text).")
    private Path documents;

    @Option(names = "--out", required = true, description = "The .jsonl file to write.")
    private Path out;

    @Option(names = "--model", description = "A model directory that asks and answers.")
    private Path model;

    @Option(
            names = "--endpoint",
            description = "Or an OpenAI-compatible one, such as https://HOST/v1.")
    private String endpoint;

    @Option(names = "--endpoint-model", description = "The model's name there.")
    private String endpointModel;

    @Option(names = "--insecure", description = "Send documents over plain http to another host.")
    private boolean insecure;

    @Option(names = "--chunk-tokens", defaultValue = "1000", description = "Of a chunk.")
    private int chunkTokens;

    @Option(names = "--chunks", defaultValue = "32", description = "Chunks of a line, at most.")
    private int chunksOfALine;

    @Option(
            names = "--tokenizer",
            description =
                    "Counts a chunk's tokens; the model's own, and for an endpoint four bytes each, if not given.")
    private String tokenizerName;

    @Option(
            names = "--beyond",
            description = "With --model: take chunks longer than the model's context.")
    private boolean beyond;

    @Option(names = "--seed", defaultValue = "1", description = "Of the choices.")
    private long seed;

    private long start;
    private long lastLine;
    private int asked;
    private int pairs;
    private int skipped;
    private int told;

    @Override
    public Integer call() throws Exception {
        if ((model == null) == (endpoint == null)) {
            throw new UsageException("make-qa needs either --model or --endpoint");
        }
        if (chunkTokens < 1 || chunksOfALine < 1) {
            throw new UsageException("--chunk-tokens and --chunks must be at least 1");
        }
        documents = Ringworld.HUB.data(documents);
        String notRead = TextFiles.notRead(documents);
        if (notRead != null) {
            System.err.println("ringworld: skipped " + notRead);
        }
        try (Answerer answerer = answerer()) {
            List<Chunk> chunks = chunks(answerer);
            Fence fence = Fence.claimFile(out);
            try (JsonLines kept = new JsonLines(Path.of(out + ".pairs"), fence);
                    JsonLines lines = new JsonLines(out, fence)) {
                checkSame(kept, lines, chunks);
                make(chunks, answerer, kept, lines);
            } finally {
                fence.release();
            }
        }
        System.out.printf(
                "%s: %d pairs, %d chunks skipped; train with data.fieldsFromExample=fields%n",
                out, pairs, skipped);
        return pairs > 0 ? Ringworld.DONE : Ringworld.FAILED;
    }

    private Answerer answerer() throws Exception {
        return model != null
                ? new ModelAnswerer(Ringworld.HUB.model(model), seed, beyond)
                : new EndpointAnswerer(
                        "--endpoint",
                        endpoint,
                        endpointModel,
                        System.getenv("OPENAI_API_KEY"),
                        seed,
                        insecure,
                        Duration.ofSeconds(1));
    }

    private List<Chunk> chunks(Answerer answerer) throws IOException {
        if (tokenizerName == null && !(answerer instanceof ModelAnswerer)) {
            return DocumentChunks.read(
                    documents,
                    new ByteTokenizer(),
                    Math.multiplyExact(BYTES_OF_A_TOKEN, chunkTokens));
        }
        Tokenizer tokenizer =
                tokenizerName == null
                        ? ((ModelAnswerer) answerer).tokenizer()
                        : Tokenizer.of(Ringworld.HUB.tokenizer(KeyValue.withHome(tokenizerName)));
        return DocumentChunks.read(documents, tokenizer, chunkTokens);
    }

    /**
     * The first kept line says of what the pairs are; pairs of something else are not gone on with.
     */
    private void checkSame(JsonLines kept, JsonLines lines, List<Chunk> chunks) throws IOException {
        if (chunks.isEmpty()) {
            throw new IOException(documents + ": holds no document with a text");
        }
        CRC32C crc = new CRC32C();
        chunks.forEach(chunk -> crc.update(chunk.text().getBytes(StandardCharsets.UTF_8)));
        ObjectNode head = JsonMapper.shared().createObjectNode();
        head.put("chunks", chunks.size()).put("checksum", crc.getValue());
        head.put("chunksOfALine", chunksOfALine);
        if (kept.before().isEmpty() && lines.before().isEmpty()) {
            kept.add(head);
        } else if (kept.before().isEmpty() || !kept.before().getFirst().equals(reread(head))) {
            throw new UsageException(
                    out
                            + " was made of other documents or chunks, or lost its .pairs; choose another --out");
        }
    }

    private static JsonNode reread(JsonNode node) {
        return JsonMapper.shared().readTree(node.toString());
    }

    private void make(List<Chunk> chunks, Answerer answerer, JsonLines kept, JsonLines lines)
            throws IOException, InterruptedException {
        List<JsonNode> before = kept.before().stream().skip(1).toList();
        int written =
                lines.before().isEmpty()
                        ? -1
                        : lines.before().getLast().path("lastChunk").asInt(-1);
        start = System.nanoTime();
        lastLine = start;
        List<JsonNode> line = new ArrayList<>();
        int first = 0;
        for (int c = 0; c < chunks.size(); c++) {
            JsonNode pair = c < before.size() ? before.get(c) : ask(chunks.get(c), answerer);
            if (c >= before.size()) {
                kept.add(pair);
                asked++;
                show(c + 1, chunks.size());
            }
            if (pair.has("question")) {
                line.add(pair);
                pairs++;
            } else {
                skipped++;
            }
            boolean ends =
                    c + 1 == chunks.size()
                            || c + 1 - first == chunksOfALine
                            || chunks.get(c + 1).document() != chunks.get(c).document();
            if (ends) {
                if (c > written && !line.isEmpty()) {
                    lines.add(line(chunks.subList(first, c + 1), line, c));
                }
                line.clear();
                first = c + 1;
            }
        }
    }

    /** A pair, or nothing where none of the attempts gave a question with its answer. */
    private ObjectNode ask(Chunk chunk, Answerer answerer)
            throws IOException, InterruptedException {
        ObjectNode pair = JsonMapper.shared().createObjectNode();
        QuestionAnswer said = null;
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            said = QuestionAnswer.read(answerer.answer(PROMPT + chunk.text(), attempt));
            if (said.fault() == null) {
                return pair.put("question", said.question()).put("answer", said.answer());
            }
        }
        if (told++ < MOST_TOLD) {
            System.err.printf(
                    "ringworld: skipped a chunk of %s, answered %d times: %s%n",
                    chunk.source(), ATTEMPTS, said.fault());
        }
        return pair;
    }

    /** In the manner of LWM's chats; the end of each answer is learned too. */
    private static ObjectNode line(List<Chunk> chunks, List<JsonNode> pairs, int lastChunk) {
        StringBuilder text = new StringBuilder("You are a helpful assistant. USER: ");
        chunks.forEach(chunk -> text.append(chunk.text()));
        List<String> fields = new ArrayList<>();
        ObjectNode line = JsonMapper.shared().createObjectNode();
        line.put("source", chunks.getFirst().source()).put("lastChunk", lastChunk);
        line.put("text", text.toString());
        for (int i = 0; i < pairs.size(); i++) {
            String user = i == 0 ? "" : "USER: ";
            fields.add("[question%d],answer%d".formatted(i, i));
            line.put(
                    "question" + i,
                    user + pairs.get(i).path("question").asString("") + " ASSISTANT:");
            line.put("answer" + i, pairs.get(i).path("answer").asString(""));
        }
        return line.put("fields", "[text]," + String.join(",<|eos|>,", fields));
    }

    private void show(int done, int all) {
        if (System.nanoTime() - lastLine > QUIET_NANOS) {
            lastLine = System.nanoTime();
            double seconds = (lastLine - start) * 1e-9;
            System.out.printf(
                    Locale.ROOT,
                    "%d of %d chunks  %.2f a second  %d skipped  ETA %s%n",
                    done,
                    all,
                    asked / seconds,
                    skipped,
                    LiveLine.time(seconds * (all - done) / asked));
        }
    }
}
