package org.ringworld.cli;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigParseOptions;
import com.typesafe.config.ConfigRenderOptions;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.ringworld.actors.cluster.ClusterClient;
import org.ringworld.actors.http.HttpFront;
import org.ringworld.actors.http.HttpSettings;
import org.ringworld.actors.http.ServedTexts;
import org.ringworld.actors.queue.QueueRequest;
import org.ringworld.checkpoints.snapshot.RunDirectory;
import org.ringworld.cli.cluster.InCluster;
import org.ringworld.cli.vision.VisionModel;
import org.ringworld.model.training.job.JobFile;
import org.ringworld.model.training.job.KeyValue;
import org.ringworld.model.training.job.UsageException;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Answers through OpenAI's API. */
@Command(
        name = "serve",
        description = "Serve a model through OpenAI's API, until it is stopped.",
        mixinStandardHelpOptions = true,
        showDefaultValues = true,
        footer = {
            "",
            "Routes: /v1/chat/completions, /v1/completions, /v1/models, /tokenize, /detokenize, /metrics, /health,",
            "/ring, and at / a page to talk with the model and to look at the ring.",
            "Keys: http.{host,port,apiKey,maxBody,seconds,connections}, queue, name, and those of generate.",
            "SERVE.conf has the same keys. The API's key may come from RINGWORLD_API_KEY, too.",
            "SIGTERM and Ctrl-C let what is being written end, for up to 30 seconds.",
            "",
            "Examples:",
            "  ringworld serve MODEL",
            "  ringworld serve MODEL http.port=9000 ring.size=2 maxTokens=65536",
            "  ringworld serve hf:OWNER/NAME",
            "  ringworld serve runs/needles --follow",
            "  ringworld serve MODEL ring.size=3 --cluster 127.0.0.1:25520",
            "  ringworld serve runs/needles --follow --cluster 127.0.0.1:25520",
            "  curl http://127.0.0.1:8080/v1/chat/completions -d '{\"model\": \"MODEL\",",
            "    \"messages\": [{\"role\": \"user\", \"content\": \"Who hid the letter?\"}]}'"
        })
final class ServeCommand implements Callable<Integer> {
    private static final Config DEFAULTS =
            ConfigFactory.parseString("name = null, queue = 256")
                    .withFallback(HttpSettings.DEFAULTS.withoutPath("http.queue"));

    @Parameters(
            index = "0",
            paramLabel = "MODEL",
            description = "A model directory or file, a run, or hf:OWNER/NAME.")
    private Path model;

    @Parameters(
            index = "1..*",
            arity = "0..*",
            paramLabel = "SERVE.conf | key=value",
            description = "A file of keys, and keys that go before it.")
    private List<String> arguments = List.of();

    @Option(
            names = "--follow",
            description =
                    "MODEL is a run: take each newer model as it is saved. What is being written ends with the model it began with; each of the two has half of the devices' memory, and on a cluster devices of its own.")
    private boolean follow;

    @Mixin private VisionModel vision;

    @ArgGroup(exclusive = false)
    private InCluster cluster;

    @Override
    public Integer call() throws Exception {
        List<String> own = new ArrayList<>();
        List<String> inference = new ArrayList<>();
        for (String key : keys(arguments)) {
            (isOwn(key) ? own : inference).add(key);
        }
        Config config = JobFile.settings(own, DEFAULTS);
        HttpSettings http =
                HttpSettings.of(config.withValue("http.queue", config.getValue("queue")));
        String name = config.getIsNull("name") ? name(model) : config.getString("name");
        model = Ringworld.HUB.model(model);
        copyWeights(inference);
        if (cluster != null) {
            return serveThere(name, own, inference);
        }
        ServedTexts texts = new ServedTexts();
        ServedRun run = new ServedRun(model, name, inference, vision, follow, texts);
        run.load();
        ActorSystem<Void> system =
                ActorSystem.create(Behaviors.empty(), "front", ConfigFactory.load());
        HttpFront front =
                HttpFront.open(
                        system, http, texts, new PrometheusMeterRegistry(PrometheusConfig.DEFAULT));
        Runtime.getRuntime().addShutdownHook(new Thread(front::close, "on-signal"));
        if (http.apiKey() == null && !isLoopback(http.host())) {
            System.err.println(
                    "ringworld: whoever reaches %s can ask: give http.apiKey or RINGWORLD_API_KEY"
                            .formatted(front.url()));
        }
        System.out.printf("serving %s at %s, %s%n", name, front.url(), run);
        System.out.flush();
        if (follow) {
            run.follow();
        }
        system.getWhenTerminated().toCompletableFuture().join();
        return Ringworld.DONE;
    }

    /**
     * What is read for long is copied, if nothing else is said and there is memory: a file lies in
     * small pages, from which it is read half as fast.
     */
    private void copyWeights(List<String> keys) throws IOException {
        boolean said = keys.stream().anyMatch(key -> key.strip().startsWith("inPlace"));
        if (!said && InferenceSettings.of(keys, RunDirectory.newestModel(model)).copiesFit()) {
            keys.add("inPlace=false");
        }
    }

    /** Returns when it is ready: from then on it is the cluster's. */
    private int serveThere(String name, List<String> own, List<String> inference) throws Exception {
        if (own.stream().anyMatch(key -> !key.startsWith("name"))) {
            throw new UsageException(
                    "--cluster: http.* are keys of its nodes: ringworld node http.port=…");
        }
        if (vision.isGiven()) {
            throw new UsageException(
                    "--vqgan: a cluster's models take text alone; serve without --cluster for images");
        }
        Path here = model.toAbsolutePath().normalize();
        Path newest = RunDirectory.newestModel(here);
        InferenceSettings on = InferenceSettings.of(inference, newest);
        TextModel.open(on).template();
        ClusterClient.Deployed served =
                cluster.client()
                        .deploy(
                                new QueueRequest.Deploy(
                                        name,
                                        // Else it is this model, whatever its run saves later.
                                        (follow ? here : newest).toString(),
                                        follow,
                                        String.join("\n", inference),
                                        ServedRun.room(on)));
        System.out.printf(
                "serving %s at %s; it is job %s%n",
                name, String.join(", ", served.addresses()), served.id());
        return Ringworld.DONE;
    }

    private static boolean isOwn(String key) {
        String first = key.split("[=.]", 2)[0].strip();
        return DEFAULTS.root().containsKey(first);
    }

    private static boolean isLoopback(String host) {
        try {
            return InetAddress.getByName(host).isLoopbackAddress();
        } catch (UnknownHostException e) {
            return false;
        }
    }

    /** The name of the model's directory. */
    private static String name(Path model) {
        Path whole = model.toAbsolutePath().normalize();
        Path directory = whole.toFile().isFile() ? whole.getParent() : whole;
        return directory.getFileName() == null ? "model" : directory.getFileName().toString();
    }

    /** Each as key=value, a file's own first: what is typed goes before it. */
    private static List<String> keys(List<String> arguments) {
        List<String> ofFiles = new ArrayList<>();
        List<String> typed = new ArrayList<>();
        for (String argument : arguments) {
            if (argument.contains("=")) {
                typed.add(argument);
                continue;
            }
            read(Path.of(KeyValue.withHome(argument)))
                    .entrySet()
                    .forEach(
                            one ->
                                    ofFiles.add(
                                            one.getKey()
                                                    + "="
                                                    + one.getValue()
                                                            .render(
                                                                    ConfigRenderOptions
                                                                            .concise())));
        }
        ofFiles.addAll(typed);
        return ofFiles;
    }

    private static Config read(Path file) {
        try {
            return ConfigFactory.parseFile(
                            file.toAbsolutePath().toFile(),
                            ConfigParseOptions.defaults().setAllowMissing(false))
                    .resolve();
        } catch (ConfigException e) {
            throw new UsageException(file + ": cannot be read as keys: " + e.getMessage());
        }
    }
}
