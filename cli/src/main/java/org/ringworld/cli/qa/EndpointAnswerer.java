package org.ringworld.cli.qa;

import java.io.IOException;
import java.net.InetAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import org.ringworld.model.training.job.UsageException;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Any endpoint that answers as OpenAI's {@code /chat/completions} does. */
public final class EndpointAnswerer implements Answerer {
    private static final JsonMapper JSON = JsonMapper.shared();
    private static final int TRIES = 5;
    private static final int MOST_TOLD = 200;

    // Models that think before they answer need many.
    private static final int MOST_TOKENS = 4096;

    private final HttpClient client;
    private final URI uri;
    private final String model;
    private final String key;
    private final long seed;
    private final Duration firstPause;

    /**
     * @param option that gives it, to be named where it is wrong
     * @param base of the endpoint, such as {@code https://host/v1}
     * @param model its name there; null: the endpoint's own choice
     * @param key sent as a bearer token; null: none
     * @param firstPause before a request is tried again; each later one is twice as long
     * @throws UsageException where the key and the texts would go over a network unencrypted
     */
    public EndpointAnswerer(
            String option,
            String base,
            String model,
            String key,
            long seed,
            boolean insecure,
            Duration firstPause)
            throws IOException {
        try {
            this.uri = URI.create(base.replaceFirst("/+$", "") + "/chat/completions");
        } catch (IllegalArgumentException e) {
            throw new UsageException(option + " " + base + " is not a URL");
        }
        boolean http = "http".equals(uri.getScheme());
        if (uri.getHost() == null || !http && !"https".equals(uri.getScheme())) {
            throw new UsageException(option + " " + base + " is not an http or https URL");
        }
        if (http && !insecure && !InetAddress.getByName(uri.getHost()).isLoopbackAddress()) {
            throw new UsageException(
                    option
                            + " "
                            + base
                            + " is not encrypted: take https, or --insecure if you know the way there");
        }
        this.client =
                HttpClient.newBuilder()
                        // Without TLS an upgrade to HTTP/2 would be asked for, which many refuse.
                        .version(http ? HttpClient.Version.HTTP_1_1 : HttpClient.Version.HTTP_2)
                        .connectTimeout(Duration.ofSeconds(20))
                        .build();
        this.model = model;
        this.key = key;
        this.seed = seed;
        this.firstPause = firstPause;
    }

    @Override
    public String answer(String prompt, int attempt) throws IOException, InterruptedException {
        ObjectNode body = JSON.createObjectNode();
        if (model != null) {
            body.put("model", model);
        }
        body.putArray("messages").addObject().put("role", "user").put("content", prompt);
        body.put("max_tokens", MOST_TOKENS).put("temperature", attempt == 0 ? 0 : 0.8);
        body.put("seed", seed + attempt);
        HttpRequest.Builder request =
                HttpRequest.newBuilder(uri)
                        .timeout(Duration.ofMinutes(3))
                        .header("Content-Type", "application/json")
                        .POST(HttpRequest.BodyPublishers.ofString(JSON.writeValueAsString(body)));
        if (key != null) {
            request.header("Authorization", "Bearer " + key);
        }
        return content(send(request.build()));
    }

    /** What is answered in the end: an endpoint that is busy or away is asked again. */
    private String send(HttpRequest request) throws IOException, InterruptedException {
        Duration pause = firstPause;
        for (int i = 1; ; i++) {
            String fault;
            try {
                HttpResponse<String> response =
                        client.send(request, HttpResponse.BodyHandlers.ofString());
                if (response.statusCode() == 200) {
                    return response.body();
                }
                fault = "answers " + response.statusCode() + ": " + told(response.body());
                if (response.statusCode() != 429 && response.statusCode() < 500) {
                    throw new UnusableException(uri + " " + fault);
                }
            } catch (UnusableException e) {
                throw e;
            } catch (IOException e) {
                fault = "cannot be reached (" + e.getClass().getSimpleName() + ")";
            }
            if (i == TRIES) {
                throw new IOException(
                        "%s %s; %d tries; start again to go on".formatted(uri, fault, TRIES));
            }
            Thread.sleep(pause);
            pause = pause.multipliedBy(2);
        }
    }

    private static final class UnusableException extends IOException {
        private static final long serialVersionUID = 1;

        UnusableException(String message) {
            super(message);
        }
    }

    private String content(String body) throws IOException {
        try {
            JsonNode message = JSON.readTree(body).at("/choices/0/message");
            if (!message.isObject()) {
                throw new IOException(uri + " answers without a message: " + told(body));
            }
            return message.path("content").asString("");
        } catch (JacksonException e) {
            throw new IOException(uri + " answers what is not JSON: " + told(body), e);
        }
    }

    private static String told(String body) {
        String line = body.replaceAll("\\s+", " ").strip();
        return line.substring(0, Math.min(MOST_TOLD, line.length()));
    }

    @Override
    public void close() {
        client.shutdownNow();
    }
}
