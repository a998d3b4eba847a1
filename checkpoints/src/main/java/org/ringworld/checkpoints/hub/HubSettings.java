package org.ringworld.checkpoints.hub;

import java.io.IOException;
import java.net.InetAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.Json;

/**
 * Where the hub is and where its files are kept: the environment variables of Hugging Face's own
 * programs, with their meaning.
 *
 * @param endpoint {@code HF_ENDPOINT}
 * @param token {@code HF_TOKEN}, or what is in the file {@code HF_TOKEN_PATH}; null: none
 * @param cache {@code HF_HUB_CACHE}
 * @param isOffline {@code HF_HUB_OFFLINE}: only what is in the cache is used
 */
record HubSettings(String endpoint, String token, Path cache, boolean isOffline) {
    /**
     * @throws CheckpointException where one of them cannot be meant
     */
    static HubSettings of(Map<String, String> environment) throws CheckpointException {
        Path user = Path.of(System.getProperty("user.home"));
        Path caches = path(environment, "XDG_CACHE_HOME", user.resolve(".cache"));
        Path home = path(environment, "HF_HOME", caches.resolve("huggingface"));
        String offline = environment.getOrDefault("HF_HUB_OFFLINE", "");
        return new HubSettings(
                endpoint(environment),
                token(environment, path(environment, "HF_TOKEN_PATH", home.resolve("token"))),
                path(environment, "HF_HUB_CACHE", home.resolve("hub")).toAbsolutePath(),
                offline.matches("(?i)1|on|yes|true"));
    }

    private static Path path(Map<String, String> environment, String name, Path otherwise) {
        String given = environment.getOrDefault(name, "");
        return given.isBlank()
                ? otherwise
                : Path.of(given.replaceFirst("^~(?=/|$)", System.getProperty("user.home")));
    }

    private static String endpoint(Map<String, String> environment) throws CheckpointException {
        String given = environment.getOrDefault("HF_ENDPOINT", "");
        String endpoint =
                given.isBlank() ? "https://huggingface.co" : given.replaceFirst("/+$", "");
        try {
            URI uri = URI.create(endpoint);
            if (uri.getHost() != null && uri.getScheme().matches("https?")) {
                return endpoint;
            }
        } catch (IllegalArgumentException e) {
            // Said below.
        }
        throw new CheckpointException("HF_ENDPOINT = %s is not an https URL".formatted(endpoint));
    }

    private static String token(Map<String, String> environment, Path file)
            throws CheckpointException {
        String token = environment.getOrDefault("HF_TOKEN", "").strip();
        String from = "HF_TOKEN";
        if (token.isEmpty() && Files.isReadable(file)) {
            from = file.toString();
            try {
                token = Files.readString(file).strip();
            } catch (IOException e) {
                throw new CheckpointException(file + ": cannot be read: " + Json.reason(e), e);
            }
        }
        if (!token.matches("[!-~]*")) {
            throw new CheckpointException(from + ": holds letters that no token has");
        }
        return token.isEmpty() ? null : token;
    }

    /**
     * @throws CheckpointException where the token would go over a network in clear text
     */
    void requireSafe() throws CheckpointException {
        URI uri = URI.create(endpoint);
        if (token != null && uri.getScheme().equals("http") && !isLoopback(uri.getHost())) {
            throw new CheckpointException(
                    "HF_ENDPOINT = %s is not encrypted, and a token is not sent there: take https, or go without HF_TOKEN and its file"
                            .formatted(endpoint));
        }
    }

    private static boolean isLoopback(String host) {
        try {
            return InetAddress.getByName(host).isLoopbackAddress();
        } catch (IOException e) {
            return false;
        }
    }
}
