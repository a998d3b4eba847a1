package org.ringworld.examples;

import com.typesafe.config.Config;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Gives a job to a cluster. */
@Command(
        name = "submit",
        description = "Give a training job to a cluster, and follow it.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "The job waits until ring.size devices are free, and goes on with ring.minSize after losses. Its",
            "output and its data are paths that every node reaches. Ctrl-C ends the following, not the job.",
            "",
            "Examples:",
            "  ringworld submit examples/jobs/needles.conf ring.size=2",
            "  ringworld submit examples/jobs/books.conf data.path=/shared/books --cluster 10.0.0.1:25520 --detach"
        })
final class SubmitCommand implements Callable<Integer> {
    @Parameters(
            arity = "0..*",
            paramLabel = "JOB.conf | key=value",
            description = "A job file and overrides of its keys.")
    private List<String> arguments = List.of();

    @Mixin private ClusterClient cluster;

    @Option(names = "--detach", description = "Do not follow it; print its name.")
    private boolean detach;

    @Override
    public Integer call() throws Exception {
        Config config = TrainCommand.config(absolute(arguments));
        JobReader.read(config, Runtime.getRuntime().availableProcessors());
        String id = cluster.ask("submit", JobFile.render(config)).path("id").asString();
        if (detach) {
            System.out.println(id);
            return Ringworld.DONE;
        }
        System.out.println("job " + id);
        return LogsCommand.follow(cluster, id, true);
    }

    /** Nodes may run in other directories: paths are said from the root. */
    private static List<String> absolute(List<String> arguments) {
        Config config = TrainCommand.config(arguments);
        List<String> all = new ArrayList<>(arguments);
        String name = config.hasPath("name") ? config.getString("name") : "job";
        String output = config.hasPath("output") ? config.getString("output") : "runs/" + name;
        all.add("output=" + quoted(output));
        for (String key : List.of("data.path", "model.path", "tokenizer")) {
            if (config.hasPath(key)
                    && !config.getIsNull(key)
                    && Path.of(config.getString(key)).toFile().exists()) {
                all.add(key + "=" + quoted(config.getString(key)));
            }
        }
        return all;
    }

    private static String quoted(String path) {
        return "\"" + Path.of(path).toAbsolutePath().normalize() + "\"";
    }
}
