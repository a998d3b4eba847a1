package org.ringworld.checkpoints.hub;

import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import org.ringworld.checkpoints.CheckpointException;

/**
 * Asks the hub. Redirects are followed here, so that the token reaches the endpoint alone; a hub
 * that is busy or away is asked again.
 */
final class HubClient implements AutoCloseable {
    private static final int TRIES = 5;
    private static final int MOST_REDIRECTS = 10;
    private static final int PARTIAL = 206;
    private static final int TOO_MANY = 429;

    private final HttpClient client;
    private final HubSettings settings;
    private final Patience patience;
    private final Hub.Progress progress;

    /**
     * How long is waited.
     *
     * @param firstPause before a request is made again; each later one is twice as long
     * @param longestPause that a hub may ask for
     * @param silence after which a connection is given up
     */
    record Patience(Duration firstPause, Duration longestPause, Duration silence) {
        static final Patience USUAL =
                new Patience(Duration.ofSeconds(1), Duration.ofMinutes(5), Duration.ofSeconds(60));
    }

    HubClient(HubSettings settings, Patience patience, Hub.Progress progress) {
        this.settings = settings;
        this.patience = patience;
        this.progress = progress;
        this.client =
                HttpClient.newBuilder()
                        .version(HttpClient.Version.HTTP_1_1)
                        .followRedirects(HttpClient.Redirect.NEVER)
                        .connectTimeout(Duration.ofSeconds(20))
                        .build();
    }

    /** What an answer holds; it ends where nothing comes any more. */
    InputStream body(HttpResponse<InputStream> answer) {
        return new WatchedBody(answer.body(), patience.silence);
    }

    /** Waits before a connection that broke off is made again. */
    void pause() throws InterruptedIOException {
        sleep(patience.firstPause);
    }

    /**
     * The answer to GET, the caller's to close: 200, 206 or one that no second try would change.
     *
     * @param path below the endpoint, encoded
     * @param from the first byte that is wanted
     * @throws CheckpointException where the hub cannot be reached, or asks to come much later
     */
    HttpResponse<InputStream> get(String path, long from) throws IOException {
        URI uri = URI.create(settings.endpoint() + path);
        Duration pause = patience.firstPause;
        for (int i = 1; ; i++) {
            String fault;
            Duration asked = Duration.ZERO;
            try {
                HttpResponse<InputStream> answer = follow(uri, from);
                int status = answer.statusCode();
                if (status != TOO_MANY && status < 500) {
                    return answer;
                }
                answer.body().close();
                fault = "answers " + status;
                asked = retryAfter(answer);
            } catch (CheckpointException | InterruptedIOException e) {
                throw e;
            } catch (IOException e) {
                String why = e.getMessage() == null ? "" : ": " + e.getMessage();
                fault = "cannot be reached (" + e.getClass().getSimpleName() + why + ")";
            }
            if (asked.compareTo(patience.longestPause) > 0) {
                throw away(uri, "%s and asks to wait %d s".formatted(fault, asked.toSeconds()));
            }
            if (i == TRIES) {
                throw away(uri, "%s %d times".formatted(fault, TRIES));
            }
            Duration wait = asked.compareTo(pause) > 0 ? asked : pause;
            if (wait.compareTo(patience.firstPause) > 0) {
                progress.note("%s %s: waiting %d s".formatted(uri, fault, wait.toSeconds()));
            }
            sleep(wait);
            pause = pause.multipliedBy(2);
        }
    }

    private CheckpointException away(URI uri, String why) {
        return new CheckpointException(
                "%s %s: try again later, or with HF_HUB_OFFLINE=1, which takes what is in %s"
                        .formatted(uri, why, settings.cache()));
    }

    private HttpResponse<InputStream> follow(URI start, long from) throws IOException {
        URI uri = start;
        for (int i = 0; i < MOST_REDIRECTS; i++) {
            HttpResponse<InputStream> answer = send(uri, from);
            String location = answer.headers().firstValue("Location").orElse("");
            if (answer.statusCode() / 100 != 3 || location.isEmpty()) {
                return answer;
            }
            answer.body().close();
            uri = target(uri, location);
        }
        throw new CheckpointException(start + ": leads from one address to the next without end");
    }

    private URI target(URI uri, String location) throws CheckpointException {
        try {
            URI target = uri.resolve(location);
            boolean isSafe = "https".equals(target.getScheme());
            if (target.getHost() != null && (isSafe || !settings.endpoint().startsWith("https"))) {
                return target;
            }
        } catch (IllegalArgumentException e) {
            // Said below.
        }
        throw new CheckpointException(
                "%s: leads to %s, which is not encrypted or no address".formatted(uri, location));
    }

    private HttpResponse<InputStream> send(URI uri, long from) throws IOException {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(uri)
                        .timeout(patience.silence)
                        .header("User-Agent", "ringworld");
        if (from > 0) {
            request.header("Range", "bytes=" + from + "-");
        }
        if (settings.token() != null && isEndpoint(uri)) {
            request.header("Authorization", "Bearer " + settings.token());
        }
        try {
            return client.send(request.build(), HttpResponse.BodyHandlers.ofInputStream());
        } catch (InterruptedException e) {
            throw interrupted();
        }
    }

    private boolean isEndpoint(URI uri) {
        URI endpoint = URI.create(settings.endpoint());
        return uri.getScheme().equals(endpoint.getScheme())
                && uri.getAuthority().equals(endpoint.getAuthority());
    }

    /** What the hub asks to be given, in seconds or up to a date. */
    private static Duration retryAfter(HttpResponse<?> answer) {
        String said = answer.headers().firstValue("Retry-After").orElse("0");
        if (said.matches("\\d{1,9}")) {
            return Duration.ofSeconds(Long.parseLong(said));
        }
        try {
            ZonedDateTime until = ZonedDateTime.parse(said, DateTimeFormatter.RFC_1123_DATE_TIME);
            return Duration.between(Instant.now(), until);
        } catch (DateTimeParseException e) {
            return Duration.ZERO;
        }
    }

    /** Why an answer is none of those that were hoped for, and what to do. */
    CheckpointException refused(HubName name, HttpResponse<?> answer) {
        int status = answer.statusCode();
        String page = settings.endpoint() + "/" + name.page();
        String code = answer.headers().firstValue("X-Error-Code").orElse("");
        String what = name.isData() ? "data set" : "model";
        String why;
        if (code.equals("GatedRepo")) {
            why = "is gated: accept its terms at %s, and set HF_TOKEN".formatted(page);
        } else if (status == 401 && settings.token() == null) {
            why =
                    "there is no such %s, or it is private: look at the name, or set HF_TOKEN"
                            .formatted(what);
        } else if (status == 401 || status == 403) {
            why =
                    "the hub does not take the token for it: look at the name, and at %s/settings/tokens"
                            .formatted(settings.endpoint());
        } else if (code.equals("RevisionNotFound")) {
            why = "there is no such revision: those it has are at %s/tree/main".formatted(page);
        } else if (code.equals("EntryNotFound")) {
            why =
                    "the hub lists a file that it does not have, %s: try again later"
                            .formatted(answer.uri().getPath());
        } else if (status == 404) {
            why =
                    "there is no such %s at %s: look at the name; models are hf:OWNER/NAME, data sets hf:datasets/OWNER/NAME"
                            .formatted(what, settings.endpoint());
        } else {
            why = "%s answers %d, which is not understood".formatted(answer.uri(), status);
        }
        return new CheckpointException(name + ": " + why);
    }

    /** Where in the file the body of an answer begins. */
    static long start(HttpResponse<?> answer) {
        String range = answer.headers().firstValue("Content-Range").orElse("");
        return answer.statusCode() == PARTIAL && range.matches("bytes \\d{1,18}-.*")
                ? Long.parseLong(range.substring("bytes ".length(), range.indexOf('-')))
                : 0;
    }

    private static void sleep(Duration pause) throws InterruptedIOException {
        try {
            Thread.sleep(pause);
        } catch (InterruptedException e) {
            throw interrupted();
        }
    }

    private static InterruptedIOException interrupted() {
        Thread.currentThread().interrupt();
        return new InterruptedIOException("interrupted while fetching");
    }

    @Override
    public void close() {
        client.shutdownNow();
    }
}
