package org.ringworld.checkpoints.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.assertj.core.api.AbstractThrowableAssert;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.Resources;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

class HubTest {
    private static final HubClient.Patience SHORT =
            new HubClient.Patience(
                    Duration.ofMillis(5), Duration.ofSeconds(3), Duration.ofMillis(400));
    private static final String WEIGHTS = "model.safetensors";

    @TempDir private Path home;
    private LocalHub hub;
    private final List<String> notes = new ArrayList<>();
    private long said;
    private long came;

    private final Hub.Progress progress =
            new Hub.Progress() {
                @Override
                public void begin(String what, long bytes) {
                    said += bytes;
                }

                @Override
                public void add(long bytes) {
                    came += bytes;
                }

                @Override
                public void end() {}

                @Override
                public void note(String sentence) {
                    notes.add(sentence);
                }
            };

    @BeforeEach
    void open() throws Exception {
        hub = new LocalHub("o/n");
        for (String name : List.of("config.json", WEIGHTS, "pytorch_model.bin")) {
            hub.files.put(name, Files.readAllBytes(Resources.path("golden/llama-gqa/" + name)));
        }
        for (String name :
                List.of("README.md", "tokenizer.json", "model.gguf", "original/params.json")) {
            hub.files.put(name, name.getBytes(StandardCharsets.UTF_8));
        }
    }

    @AfterEach
    void close() {
        hub.close();
    }

    private Hub client(String... environment) {
        return new Hub(hub.environment(home, environment), progress, SHORT);
    }

    private Path repository() {
        return home.resolve("hub/models--o--n");
    }

    private Path blob(String name) {
        return repository().resolve("blobs").resolve(LocalHub.hash("SHA-256", hub.files.get(name)));
    }

    private LocalHub.Answer cutAfter(int bytes) {
        return hub.cutAfter(bytes, Download.incomplete(blob(WEIGHTS)));
    }

    private AbstractThrowableAssert<?, ?> assertRefused(String name, String... environment) {
        return assertThatThrownBy(() -> client(environment).model(name))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("hf:o/n");
    }

    private void assertNothingHasAName() throws IOException {
        assertThat(repository().resolve("snapshots")).doesNotExist();
        assertThat(repository().resolve("refs")).doesNotExist();
    }

    @Test
    void aModelIsFetchedOnceWithoutItsOtherCopies() throws Exception {
        Path model = client().model("hf:o/n");
        try (ModelFiles files = ModelFiles.open(model)) {
            assertThat(files.directory()).isEqualTo(model);
        }
        try (Stream<Path> inside = Files.list(model)) {
            assertThat(inside.map(p -> p.getFileName().toString()))
                    .containsExactlyInAnyOrder(
                            "config.json", "README.md", "tokenizer.json", WEIGHTS);
        }
        assertThat(came).isEqualTo(said).isGreaterThan(80_000);
        hub.requests.clear();
        assertThat(client().model("hf:o/n@main")).isEqualTo(model);
        assertThat(hub.requests).hasSize(1);
    }

    @Test
    void theCacheIsThatOfHuggingFacesOwnPrograms() throws Exception {
        Path model = client().model("hf:o/n@v1");
        assertThat(model).isEqualTo(repository().resolve("snapshots").resolve(LocalHub.COMMIT));
        assertThat(repository().resolve("refs/v1")).hasContent(LocalHub.COMMIT);
        assertThat(HubCache.called(model)).isEqualTo("o/n@0123456");
        assertThat(HubCache.called(model.resolve("a/b*"))).isEqualTo("o/n@0123456/a/b*");
        assertThat(HubCache.called(repository())).isEqualTo("models--o--n");
        assertThat(Files.readSymbolicLink(model.resolve(WEIGHTS)))
                .isEqualTo(Path.of("../../blobs").resolve(blob(WEIGHTS).getFileName()));
        // What another program fetched is found: nothing is asked for but what there is.
        Files.delete(model.resolve(WEIGHTS));
        hub.requests.clear();
        client().model("hf:o/n@v1");
        assertThat(model.resolve(WEIGHTS)).hasBinaryContent(hub.files.get(WEIGHTS));
        assertThat(hub.requests).hasSize(1);
    }

    @Test
    void aTokenizerIsFetchedWithoutTheWeights() throws Exception {
        Path directory = client().tokenizer("hf:o/n");
        assertThat(directory.resolve("tokenizer.json")).exists();
        assertThat(directory.resolve(WEIGHTS)).doesNotExist();
        assertThat(client().tokenizer("hf:o/n/tokenizer.json"))
                .isEqualTo(directory.resolve("tokenizer.json"));
    }

    @Test
    void theFirstFormOfWeightsIsTakenThatIsReadAndAllOfItsShards() throws Exception {
        hub.files.put("model.safetensors.index.json", new byte[3]);
        hub.files.put("model-00001-of-00002.safetensors", new byte[1]);
        hub.files.put("model-00002-of-00002.safetensors", new byte[2]);
        Path model = client().model("hf:o/n");
        assertThat(model.resolve("model-00002-of-00002.safetensors")).exists();
        assertThat(model.resolve(WEIGHTS)).doesNotExist();
        hub.files.keySet().removeIf(name -> name.startsWith("model"));
        assertThat(client().model("hf:o/n").resolve("pytorch_model.bin")).exists();
        hub.files.remove("pytorch_model.bin");
        hub.files.put("params", new byte[7]);
        assertThat(client().model("hf:o/n").resolve("params")).hasBinaryContent(new byte[7]);
        hub.files.remove("params");
        assertRefused("hf:o/n").hasMessageContaining("it has README.md, config.json");
    }

    @Test
    void onlyTheEndpointIsGivenTheToken() throws Exception {
        client("HF_TOKEN", "hf_secret").model("hf:o/n");
        assertThat(hub.tokens).isNotEmpty().noneMatch(t -> t.startsWith("storage"));
        assertThat(hub.tokens).allMatch(t -> t.endsWith(" Bearer hf_secret"));
        assertThat(hub.requests).anyMatch(r -> r.startsWith("storage"));
        hub.tokens.clear();
        Files.writeString(home.resolve("token"), "hf_of_file\n");
        client().model("hf:o/n");
        assertThat(hub.tokens).containsExactly("endpoint Bearer hf_of_file");
    }

    @Test
    void aTokenDoesNotGoOverANetworkInClearText() {
        assertRefusedByEndpoint("http://192.0.2.1", "is not encrypted");
        assertRefusedByEndpoint("ftp://192.0.2.1", "HF_ENDPOINT = ftp://192.0.2.1 is not");
    }

    private void assertRefusedByEndpoint(String endpoint, String sentence) {
        Hub there = client("HF_TOKEN", "hf_secret", "HF_ENDPOINT", endpoint);
        assertThatThrownBy(() -> there.model("hf:o/n"))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining(sentence);
    }

    @Test
    void aConnectionThatBreaksOffIsGoneOnWith() throws Exception {
        hub.files.keySet().removeIf(name -> !name.equals(WEIGHTS));
        hub.faults.add(cutAfter(30_000));
        Path model = client().model("hf:o/n");
        assertThat(model.resolve(WEIGHTS)).hasBinaryContent(hub.files.get(WEIGHTS));
        assertThat(hub.requests.getLast()).startsWith("storage").matches(".* bytes=[1-9]\\d*-");
        assertThat(came).isEqualTo(said);
    }

    @Test
    void aServerWithoutRangesBeginsAnew() throws Exception {
        hub.files.keySet().removeIf(name -> !name.equals(WEIGHTS));
        hub.faults.add(cutAfter(30_000));
        hub.faults.add(hub.allAnew());
        Path model = client().model("hf:o/n");
        assertThat(model.resolve(WEIGHTS)).hasBinaryContent(hub.files.get(WEIGHTS));
        assertThat(came).isEqualTo(said);
    }

    @Test
    void aConnectionOnWhichNothingComesIsGivenUp() throws Exception {
        hub.files.keySet().removeIf(name -> !name.equals(WEIGHTS));
        CountDownLatch over = new CountDownLatch(1);
        hub.faults.add(
                exchange -> {
                    exchange.sendResponseHeaders(200, hub.files.get(WEIGHTS).length);
                    exchange.getResponseBody().write(hub.files.get(WEIGHTS), 0, 10_000);
                    exchange.getResponseBody().flush();
                    try {
                        over.await();
                    } catch (InterruptedException e) {
                        throw new IOException(e);
                    }
                });
        Path model = client().model("hf:o/n");
        over.countDown();
        assertThat(model.resolve(WEIGHTS)).hasBinaryContent(hub.files.get(WEIGHTS));
    }

    @Test
    void whatBreaksOffAgainAndAgainIsASentenceAndIsGoneOnWithLater() throws Exception {
        hub.files.keySet().removeIf(name -> !name.equals(WEIGHTS));
        hub.faults.add(cutAfter(20_000));
        for (int i = 0; i < 4; i++) {
            hub.faults.add(cutAfter(0));
        }
        assertRefused("hf:o/n")
                .hasMessageContaining("broke off 5 times, at last after 20000 of 79944 bytes");
        assertNothingHasAName();
        assertThat(Download.incomplete(blob(WEIGHTS))).hasSize(20_000);
        hub.faults.clear();
        hub.requests.clear();
        Path model = client().model("hf:o/n");
        assertThat(model.resolve(WEIGHTS)).hasBinaryContent(hub.files.get(WEIGHTS));
        assertThat(hub.requests.getLast()).endsWith("bytes=20000-");
    }

    @Test
    void whatWasThereOfSomethingElseBeginsAnew() throws Exception {
        hub.files.keySet().removeIf(name -> !name.equals(WEIGHTS));
        for (int length : new int[] {1000, hub.files.get(WEIGHTS).length + 1}) {
            Files.createDirectories(blob(WEIGHTS).getParent());
            Files.write(Download.incomplete(blob(WEIGHTS)), new byte[length]);
            Path model = client().model("hf:o/n");
            assertThat(model.resolve(WEIGHTS)).hasBinaryContent(hub.files.get(WEIGHTS));
            Files.delete(model.resolve(WEIGHTS));
            Files.delete(blob(WEIGHTS));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {WEIGHTS, "config.json"})
    void whatArrivesWithAnotherChecksumIsNotKept(String name) throws Exception {
        byte[] other = hub.files.get(name).clone();
        other[9] ^= 1;
        hub.files.keySet().removeIf(n -> !n.equals(name) && !n.equals(WEIGHTS));
        hub.faults.add(exchange -> LocalHub.send(exchange, 200, other));
        assertRefused("hf:o/n").hasMessageContaining(name + " arrives with another checksum");
        assertNothingHasAName();
        try (Stream<Path> blobs = Files.list(repository().resolve("blobs"))) {
            assertThat(blobs).noneMatch(b -> b.toString().endsWith("incomplete"));
        }
    }

    @Test
    void aHubThatIsBusyIsWaitedForAsLongAsItSays() throws Exception {
        hub.faults.add(
                exchange -> {
                    exchange.getResponseHeaders().add("Retry-After", "1");
                    LocalHub.fail(exchange, 429, "");
                });
        hub.faults.add(exchange -> LocalHub.fail(exchange, 503, ""));
        long start = System.nanoTime();
        client().model("hf:o/n");
        assertThat(System.nanoTime() - start).isGreaterThan(900_000_000L);
        assertThat(notes).first().asString().contains("answers 429: waiting 1 s");
    }

    @ParameterizedTest
    @CsvSource({"0,answers 503 5 times", "3600,'answers 503 and asks to wait 3600 s'"})
    void aHubThatStaysBusyIsASentence(String retryAfter, String sentence) throws Exception {
        for (int i = 0; i < 5; i++) {
            hub.faults.add(
                    exchange -> {
                        exchange.getResponseHeaders().add("Retry-After", retryAfter);
                        LocalHub.fail(exchange, 503, "");
                    });
        }
        assertThatThrownBy(() -> client().model("hf:o/n"))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContainingAll(sentence, "HF_HUB_OFFLINE=1");
        assertNothingHasAName();
    }

    @ParameterizedTest
    @CsvSource({
        "401,RepoNotFound,'',it is private: look at the name or set HF_TOKEN",
        "401,GatedRepo,'',is gated: accept its terms at http",
        "403,GatedRepo,hf_x,is gated: accept its terms at http",
        "401,'',hf_x,the hub does not take the token",
        "404,RepoNotFound,'',there is no such model at http",
        "404,RevisionNotFound,'',there is no such revision",
        "404,EntryNotFound,'',lists a file that it does not have /api/models/o/n/revision/main",
        "400,'',hf_x,which is not understood"
    })
    void aRefusalSaysWhatToDo(int status, String code, String token, String sentence) {
        hub.refuse(status, code);
        assertRefused("hf:o/n", "HF_TOKEN", token)
                .message()
                .satisfies(m -> assertThat(m.replace(",", "")).contains(sentence));
    }

    @ParameterizedTest
    @ValueSource(strings = {"../x/config.json", "/etc/config.json", "a/../../b", "a\\b", "a/./b"})
    void namesOfTheHubStayInTheCache(String name) throws Exception {
        hub.files.put(name, new byte[1]);
        assertRefused("hf:o/n").hasMessageContaining("a file called " + name);
        assertThat(home.resolve("hub")).doesNotExist();
    }

    @Test
    void whatTheDiskHasNoRoomForIsNotBegun() {
        ObjectNode size = JsonMapper.shared().createObjectNode().put("size", 1L << 60);
        hub.lies.put(WEIGHTS, size);
        assertRefused("hf:o/n").hasMessageContaining(" GB are to come");
        assertThat(hub.requests).hasSize(1);
    }

    @Test
    void aListingWithoutChecksumsIsRefused() {
        hub.lies.put("config.json", JsonMapper.shared().createObjectNode().put("blobId", "../x"));
        assertRefused("hf:o/n").hasMessageContaining("no size or checksum of config.json");
    }

    @Test
    void offlineWhatIsThereIsUsed() throws Exception {
        assertRefused("hf:o/n", "HF_HUB_OFFLINE", "1").hasMessageContaining("fetch it once");
        Path model = client().model("hf:o/n");
        hub.requests.clear();
        assertThat(client("HF_HUB_OFFLINE", "1").model("hf:o/n")).isEqualTo(model);
        assertThat(client("HF_HUB_OFFLINE", "1").model("hf:o/n@" + LocalHub.COMMIT))
                .isEqualTo(model);
        assertThat(hub.requests).isEmpty();
    }

    @Test
    void severalThreadsFetchOnce() throws Exception {
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<Path>> all = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                all.add(
                        threads.submit(
                                () ->
                                        new Hub(hub.environment(home), Hub.Progress.NONE, SHORT)
                                                .model("hf:o/n")));
            }
            for (Future<Path> one : all) {
                assertThat(one.get().resolve(WEIGHTS)).hasBinaryContent(hub.files.get(WEIGHTS));
            }
        }
        assertThat(hub.asked(WEIGHTS)).isEqualTo(1);
    }

    /** Fetches a model in a process of its own. */
    static final class Fetching {
        public static void main(String[] name) throws IOException {
            new Hub(System.getenv(), Hub.Progress.NONE).model(name[0]);
        }
    }

    private Process fetching() throws IOException {
        ProcessBuilder process =
                new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        Fetching.class.getName(),
                        "hf:o/n");
        process.environment().putAll(hub.environment(home));
        return process.redirectError(ProcessBuilder.Redirect.INHERIT).start();
    }

    @Test
    void twoProcessesFetchOnceAndAKilledOneIsGoneOnWith() throws Exception {
        hub.files.put(WEIGHTS, new byte[1 << 20]);
        new Random(1).nextBytes(hub.files.get(WEIGHTS));
        hub.files.keySet().removeIf(name -> !name.equals(WEIGHTS));
        CountDownLatch half = new CountDownLatch(1);
        CountDownLatch killed = new CountDownLatch(1);
        hub.faults.add(
                exchange -> {
                    exchange.sendResponseHeaders(200, 1 << 20);
                    exchange.getResponseBody().write(hub.files.get(WEIGHTS), 0, 1 << 19);
                    exchange.getResponseBody().flush();
                    half.countDown();
                    try {
                        killed.await();
                    } catch (InterruptedException e) {
                        throw new IOException(e);
                    }
                });
        Process first = fetching();
        half.await();
        Path incomplete = Download.incomplete(blob(WEIGHTS));
        while (!Files.exists(incomplete) || Files.size(incomplete) < 1 << 19) {
            Thread.sleep(5);
        }
        first.destroyForcibly().waitFor();
        killed.countDown();
        assertNothingHasAName();
        hub.requests.clear();
        List<Process> two = List.of(fetching(), fetching());
        for (Process one : two) {
            assertThat(one.waitFor()).isZero();
        }
        assertThat(hub.requests.stream().filter(r -> r.startsWith("storage")))
                .containsExactly(
                        "storage /o/n/resolve/%s/%s bytes=%d-"
                                .formatted(LocalHub.COMMIT, WEIGHTS, 1 << 19));
        assertThat(client("HF_HUB_OFFLINE", "1").model("hf:o/n").resolve(WEIGHTS))
                .hasBinaryContent(hub.files.get(WEIGHTS));
    }

    @Test
    void ofDataThatIsFetchedWhichIsNamedAndMayBeRead() throws Exception {
        try (LocalHub data = new LocalHub("datasets/o/d")) {
            for (String name :
                    List.of(
                            "data/train-0.jsonl",
                            "data/train ü#1.jsonl",
                            "data/test-0.jsonl",
                            "a.csv",
                            ".hidden.jsonl")) {
                data.files.put(name, name.getBytes(StandardCharsets.UTF_8));
            }
            Hub client = new Hub(data.environment(home), Hub.Progress.NONE, SHORT);
            Path train = client.data("hf:o/d/data/train*", name -> name.endsWith(".jsonl"));
            assertThat(train.toString()).endsWith(LocalHub.COMMIT + "/data/train*");
            assertThat(names(train.getParent()))
                    .containsExactly("train ü#1.jsonl", "train-0.jsonl");
            Path all = client.data("hf:datasets/o/d", name -> name.endsWith(".jsonl"));
            assertThat(names(all.resolve("data"))).hasSize(3);
            assertThat(names(all)).containsExactly("data");
            assertThat(client.data("hf://datasets/o/d/a.csv", name -> false)).exists();
            assertThatThrownBy(() -> client.data("hf:o/d/no", name -> true))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("has no documents of a kind that is read at no; it has");
        }
    }

    private static List<String> names(Path directory) throws IOException {
        try (Stream<Path> inside = Files.list(directory)) {
            return inside.map(p -> p.getFileName().toString()).sorted().toList();
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "hf:",
                "hf:n",
                "hf:o/",
                "hf:../n",
                "hf:o/..",
                "hf:datasets/n",
                "hf:o/n@",
                "hf:o/n/../x",
                "hf:o/n@../../x",
                "hf:o/n:x",
                "hf:datasets/o/n"
            })
    void whatIsNoNameOfAModelIsRefusedUnasked(String name) {
        assertThatThrownBy(() -> client().model(name))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll(name, "hf:OWNER/NAME");
        assertThat(hub.requests).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({
        "hf:o/n,o/n,main,''",
        "hf:datasets/o/n@v1/data,o/n,v1,data",
        "hf://datasets/o/n@refs/convert/parquet/default/train,o/n,refs/convert/parquet,default/train",
        "hf:/datasets/o.x/n-1/a*/[bc].jsonl,o.x/n-1,main,a*/[bc].jsonl"
    })
    void aNameHasTheseParts(String text, String repository, String revision, String path) {
        assertThat(HubName.ofData(text)).isEqualTo(new HubName(true, repository, revision, path));
        assertThat(Hub.isName(text)).isTrue();
    }
}
