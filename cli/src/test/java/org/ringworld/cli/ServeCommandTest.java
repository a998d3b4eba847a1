package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(180)
class ServeCommandTest {
    private static final Pattern SERVING = Pattern.compile("serving (\\S+) at (http://\\S+),");

    @TempDir private Path directory;
    private final HttpClient client = HttpClient.newHttpClient();

    private static void copy(Path from, Path to) throws Exception {
        Files.createDirectories(to);
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.toList()) {
                Files.copy(file, to.resolve(file.getFileName()));
            }
        }
    }

    private String await(Process process, Path out, Pattern pattern) throws Exception {
        while (true) {
            String said = Files.readString(out);
            Matcher matcher = pattern.matcher(said);
            if (matcher.find()) {
                return matcher.group(matcher.groupCount());
            }
            assertThat(process.isAlive()).as(said).isTrue();
            Thread.sleep(20);
        }
    }

    private HttpRequest ask(String url, String body) {
        return HttpRequest.newBuilder(URI.create(url + "/v1/completions"))
                .header("Authorization", "Bearer secret")
                .POST(HttpRequest.BodyPublishers.ofString(body.replace('\'', '"')))
                .build();
    }

    private HttpResponse<InputStream> stream(String url) throws Exception {
        String body = "{'prompt': 'hello', 'max_tokens': 400, 'n': 8, 'seed': 2, 'stream': true}";
        HttpResponse<InputStream> response =
                client.send(ask(url, body), HttpResponse.BodyHandlers.ofInputStream());
        assertThat(response.body().read()).isEqualTo('d');
        return response;
    }

    private static String rest(HttpResponse<InputStream> response) throws Exception {
        return new String(response.body().readAllBytes(), StandardCharsets.UTF_8);
    }

    /** A run's models come one after the other; what is being written ends, also at a signal. */
    @Test
    void aFollowedRunIsServedUntilASignalAndStreamsEnd() throws Exception {
        Path model = TinyModel.write(directory, TinyModel.tokenizer());
        Path run = directory.resolve("grows");
        copy(model, run.resolve("stages/0-16"));
        Path out = directory.resolve("out.txt");
        Path keys =
                Files.writeString(
                        directory.resolve("serve.conf"), "http { port = 0, apiKey = wrong }");
        Process process =
                SignalTest.command(
                        out,
                        List.of(
                                "serve",
                                run.toString(),
                                keys.toString(),
                                "http.apiKey=secret",
                                "device.threads=1",
                                "model.ropeTheta=1e4",
                                "maxTokens=8192",
                                "--follow"));
        String url = await(process, out, SERVING);
        assertThat(Files.readString(out)).contains("serving grows at").doesNotContain("secret");
        HttpResponse<String> whole =
                client.send(
                        ask(
                                url,
                                "{'model': 'grows', 'prompt': 'hello', 'max_tokens': 6, 'temperature': 0}"),
                        HttpResponse.BodyHandlers.ofString());
        assertThat(whole.body()).contains("\"text\":\" world hello");

        HttpResponse<InputStream> begun = stream(url);
        copy(model, directory.resolve("next"));
        Files.createDirectories(run.resolve("stages"));
        Files.move(directory.resolve("next"), run.resolve("stages/1-32"));
        await(process, out, Pattern.compile("serving grows from (\\S+1-32)"));
        assertThat(rest(begun)).endsWith("data: [DONE]\n\n");

        HttpResponse<InputStream> last = stream(url);
        new ProcessBuilder("kill", "-TERM", Long.toString(process.pid())).start().waitFor();
        assertThat(rest(last)).endsWith("data: [DONE]\n\n");
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isEqualTo(143);
    }

    @Test
    void whatCannotBeServedIsSaidInASentence() {
        for (List<String> wrong :
                List.of(
                        List.of("http.prot=1", "http.port"),
                        List.of("http.port=-1", "must be 0 (any) to 65535"),
                        List.of("queue=0", "queue = 0 must be at least 1"),
                        List.of("http.apiKey=\"\"", "is empty"),
                        List.of("nowhere.conf", "nowhere.conf: cannot be read as keys"))) {
            CommandLineTest.Outcome outcome =
                    CommandLineTest.run("serve", directory, wrong.getFirst());
            assertThat(outcome.code()).isEqualTo(Ringworld.USAGE);
            assertThat(outcome.err()).contains(wrong.getLast());
        }
        CommandLineTest.Outcome outcome = CommandLineTest.run("serve", directory.resolve("none"));
        assertThat(outcome.code()).isEqualTo(Ringworld.FAILED);
    }
}
