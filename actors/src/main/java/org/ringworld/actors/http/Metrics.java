package org.ringworld.actors.http;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Timer;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.ToDoubleFunction;
import org.ringworld.model.decode.Continuation;
import org.ringworld.model.decode.Load;

/** What {@code /metrics} shows, in Prometheus' form. */
final class Metrics {
    private final PrometheusMeterRegistry registry;
    private final ServedTexts texts;
    private final Counter prompt;
    private final Counter cached;
    private final Counter generated;
    private final Timer firstToken;
    private final Timer perToken;

    Metrics(ServedTexts texts, PrometheusMeterRegistry registry) {
        this.registry = registry;
        this.texts = texts;
        prompt = counter("ringworld.prompt.tokens", "Tokens of prompts");
        cached = counter("ringworld.cached.tokens", "Tokens of prompts that had been read before");
        generated = counter("ringworld.generated.tokens", "Tokens that were written");
        firstToken =
                timer(
                        "ringworld.time.to.first.token",
                        "From a request to its first token",
                        10,
                        100);
        perToken = timer("ringworld.time.per.token", "From a token to the next", 1, 10);
        gauge("ringworld.requests.running", "Texts that are read or written", Load::running);
        gauge("ringworld.requests.queued", "Texts whose turn has not come", Load::waiting);
        gauge(
                "ringworld.pages.used",
                "Pages of texts that are read or written",
                load -> load.ranks().stream().mapToInt(Load.Rank::used).sum());
        gauge(
                "ringworld.pages.kept",
                "Pages of earlier texts that others may begin with",
                load -> load.ranks().stream().mapToInt(Load.Rank::kept).sum());
        gauge("ringworld.ring.epoch", "The ring's epoch: new after every change", Load::epoch);
        total("ringworld.recovered.pages", "Pages lost and recovered", Load::recoveredPages);
        total("ringworld.recomputed.tokens", "Tokens lost and read again", Load::recomputedTokens);
    }

    private Counter counter(String name, String help) {
        return Counter.builder(name).description(help).register(registry);
    }

    private Timer timer(String name, String help, long leastMillis, long mostSeconds) {
        return Timer.builder(name)
                .description(help)
                .publishPercentileHistogram()
                .minimumExpectedValue(Duration.ofMillis(leastMillis))
                .maximumExpectedValue(Duration.ofSeconds(mostSeconds))
                .register(registry);
    }

    private void gauge(String name, String help, ToDoubleFunction<Load> of) {
        Gauge.builder(name, () -> sum(of)).description(help).register(registry);
    }

    private void total(String name, String help, ToDoubleFunction<Load> of) {
        FunctionCounter.builder(name, this, metrics -> metrics.sum(of))
                .description(help)
                .register(registry);
    }

    /** Over all models. */
    private double sum(ToDoubleFunction<Load> of) {
        return texts.used().stream()
                .mapToDouble(text -> of.applyAsDouble(text.engine().load()))
                .sum();
    }

    /** A prompt has been read. */
    void read(int tokens, int cachedTokens, long nanos) {
        prompt.increment(tokens);
        cached.increment(cachedTokens);
        firstToken.record(nanos, TimeUnit.NANOSECONDS);
    }

    /** Some of a text. */
    void wrote(int tokens) {
        generated.increment(tokens);
    }

    /** A text is over. */
    void wrote(Continuation text) {
        int later = text.tokens().size() + (text.end() == null ? 0 : 1) - 1;
        if (later > 0) {
            double seconds = text.decodeSeconds() / later;
            perToken.record((long) (seconds * 1e9), TimeUnit.NANOSECONDS);
        }
    }

    /** In Prometheus' text form. */
    String text() {
        double pages = sum(load -> load.ranks().stream().mapToInt(Load.Rank::pages).sum());
        // By hand: the registry keeps "total" for counters.
        return registry.scrape()
                + "# HELP ringworld_pages_total Pages there is room for\n"
                + "# TYPE ringworld_pages_total gauge\nringworld_pages_total "
                + pages
                + "\n";
    }
}
