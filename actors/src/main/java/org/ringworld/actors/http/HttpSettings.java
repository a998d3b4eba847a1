package org.ringworld.actors.http;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import org.ringworld.model.training.job.JobReader;
import org.ringworld.model.training.job.UsageException;

/**
 * Where a front listens, and its limits.
 *
 * @param port 0: any that is free
 * @param apiKey that clients must give; null: none
 * @param queue texts that are waited for at most; who comes then is told to come again
 * @param maxBody bytes of a request
 * @param seconds that a request may last
 * @param connections at most; the longest idle one goes where one more comes
 */
public record HttpSettings(
        String host,
        int port,
        String apiKey,
        int queue,
        int maxBody,
        int seconds,
        int connections) {
    /** The keys, as {@link #of} reads them. */
    public static final Config DEFAULTS =
            ConfigFactory.parseString(
                    """
                    http {
                      host = "127.0.0.1"
                      port = 8080
                      apiKey = null        # or in RINGWORLD_API_KEY
                      # Texts that wait or are written at once, all of a request counted.
                      queue = 256
                      maxBody = 16 MiB
                      seconds = 3600
                      connections = 512
                    }
                    """);

    /**
     * Of a configuration with all keys; the API's key may come from the environment, where no
     * process list shows it.
     *
     * @throws UsageException where a value is none
     */
    public static HttpSettings of(Config config) {
        Config http = config.getConfig("http");
        int port = http.getInt("port");
        if (port < 0 || port > 65535) {
            throw new UsageException("http.port = " + port + " must be 0 (any) to 65535");
        }
        long maxBody = http.getBytes("maxBody");
        if (maxBody < 1 || maxBody > 1 << 30) {
            throw new UsageException("http.maxBody = " + maxBody + " must be 1 byte to 1 GiB");
        }
        return new HttpSettings(
                http.getString("host"),
                port,
                apiKey(http),
                JobReader.positive(config, "http.queue"),
                (int) maxBody,
                JobReader.positive(config, "http.seconds"),
                JobReader.positive(config, "http.connections"));
    }

    /** The same at another port. */
    public HttpSettings at(int otherPort) {
        return new HttpSettings(host, otherPort, apiKey, queue, maxBody, seconds, connections);
    }

    private static String apiKey(Config http) {
        String key =
                http.getIsNull("apiKey")
                        ? System.getenv("RINGWORLD_API_KEY")
                        : http.getString("apiKey");
        if (key != null && key.isBlank()) {
            throw new UsageException("http.apiKey (or RINGWORLD_API_KEY) is empty: leave it out");
        }
        return key;
    }

    /** Without the key: it is never shown. */
    @Override
    public String toString() {
        return "http at " + host + ":" + port;
    }
}
