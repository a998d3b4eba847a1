package org.ringworld.cli.bench;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.ringworld.cli.cluster.CertificateAuthority;
import org.ringworld.model.training.job.JobFile;
import org.ringworld.model.training.job.JobReader;
import org.ringworld.model.training.job.UsageException;

/** What {@link RingBench} measured, for each transport, as it is measured. */
final class RingBenchTable {
    private static final Config DEFAULTS =
            ConfigFactory.parseString(
                            """
                    transports = [unix, tcp, tls]
                    gigabytes = 1
                    rounds = 12
                    pings = 20000
                    stopped = 0
                    steps = 0
                    """)
                    .withFallback(StepWork.DEFAULTS);
    private static final long[] TENSORS = {2L << 20, 64L << 20};
    private static final long[] PINGED = {64, 2L << 20};

    private RingBenchTable() {}

    /** Measures and prints; the rows are for JSON. */
    static List<Record> print(List<String> settings) throws Exception {
        Config config = JobFile.settings(settings, DEFAULTS);
        List<RingBench.Transport> transports = transports(config);
        JobReader.positive(config, "rounds");
        List<Record> rows = new ArrayList<>();
        Path directory = Files.createTempDirectory("ringworld-bench-");
        try {
            if (transports.contains(RingBench.Transport.tls)) {
                Path made = directory.resolve("certificates");
                CertificateAuthority.make(made, RingBench.hosts());
            }
            for (RingBench.Transport transport : transports) {
                boolean tls = transport == RingBench.Transport.tls;
                Path at = tls ? directory.resolve("certificates") : directory;
                if (config.getInt("pings") > 0) {
                    try (RingBench bench = new RingBench(transport, at)) {
                        measure(bench, config, rows);
                    }
                }
                if (config.getInt("steps") > 0) {
                    try (RingStepBench bench = new RingStepBench(transport, at, config)) {
                        steps(bench.run(config.getInt("steps")), rows);
                    }
                }
            }
        } finally {
            delete(directory);
        }
        return rows;
    }

    private static List<RingBench.Transport> transports(Config config) throws IOException {
        List<RingBench.Transport> all;
        try {
            all = config.getEnumList(RingBench.Transport.class, "transports");
        } catch (ConfigException e) {
            throw new UsageException("transports: a list of unix, tcp and tls is needed");
        }
        if (RingBench.address().isEmpty()) {
            System.out.println("tcp is left out: this machine has no address but loopback");
            return all.stream().filter(t -> t == RingBench.Transport.unix).toList();
        }
        return all;
    }

    private static void measure(RingBench bench, Config config, List<Record> rows)
            throws Exception {
        double gigabytes = config.getDouble("gigabytes");
        System.out.printf(
                "%-9s %10s %5s %10s %10s %7s  %-22s %-22s%n",
                "transport",
                "tensor",
                "ways",
                "links GB/s",
                "socket",
                "share",
                "CPU s/GB of the sides",
                "socket's");
        for (int ways = 1; ways <= 2; ways++) {
            for (long bytes : TENSORS) {
                RingBench.Rate r = bench.rate(bytes, ways, gigabytes, config.getInt("rounds"));
                rows.add(r);
                System.out.printf(
                        Locale.ROOT,
                        "%-9s %6d MiB %5d %10.2f %10.2f %6.1f%%  %-22s %-22s%n",
                        r.transport(),
                        bytes >> 20,
                        ways,
                        r.links(),
                        r.sockets(),
                        100 * r.share(),
                        both(r.linksCpu()),
                        both(r.socketsCpu()));
            }
        }
        for (long bytes : PINGED) {
            // Large ones take as long as many small ones.
            int count = Math.max(20, config.getInt("pings") / (bytes > 64 ? 10 : 1));
            RingBench.Latency l = bench.latency(bytes, count);
            rows.add(l);
            System.out.printf(
                    Locale.ROOT,
                    "%-9s %6d B there and back: links %.0f us, 99 %% within %.0f;"
                            + " socket %.0f us, 99 %% within %.0f%n",
                    l.transport(),
                    bytes,
                    l.linksMedian(),
                    l.links99(),
                    l.socketsMedian(),
                    l.sockets99());
        }
        if (config.getInt("stopped") > 0) {
            RingBench.Stopped s = bench.stopped(config.getInt("stopped"), gigabytes);
            rows.add(s);
            print(s);
        }
    }

    private static void steps(List<RingStepBench.Steps> all, List<Record> rows) {
        double first = all.getFirst().seconds();
        for (RingStepBench.Steps s : all) {
            rows.add(s);
            System.out.printf(
                    Locale.ROOT,
                    "%-9s %-42s %6d tokens a rank: %.3f s a step (fastest %.3f), %.0f tokens/s,"
                            + " %.1f %% of the first; waiting %.3f s%n",
                    s.transport(),
                    s.where().words,
                    s.tokensPerRank(),
                    s.seconds(),
                    s.fastest(),
                    s.tokensPerSecond(),
                    100 * first / s.seconds(),
                    s.waiting());
        }
        RingStepBench.Steps over = all.getLast();
        System.out.printf(
                Locale.ROOT,
                "%-9s %.3f s of transfers a rank and step, %.1f %% hidden behind work; %d bytes of"
                        + " blocks sent, %d planned, %d at least%n",
                over.transport(),
                over.receiving(),
                100 * over.hidden(),
                over.bytesSent(),
                over.bytesPlanned(),
                over.bytesMinimum());
    }

    private static void print(RingBench.Stopped s) {
        System.out.printf(
                Locale.ROOT,
                "%-9s neighbour stopped for %d s: held up for %.1f s; resident %d MiB before, at"
                        + " most %d MiB meanwhile; memory for what arrives %d, %d MiB; %d GB %s%n",
                s.transport(),
                s.seconds(),
                s.secondsHeldUp(),
                s.residentBefore() >> 20,
                s.residentMost() >> 20,
                s.poolBefore() >> 20,
                s.poolMost() >> 20,
                s.gigabytes(),
                s.right() ? "arrived as they were sent" : "ARRIVED WRONG");
    }

    private static String both(double[] cpu) {
        return String.format(Locale.ROOT, "%.3f / %.3f", cpu[0], cpu[1]);
    }

    private static void delete(Path directory) throws IOException {
        try (Stream<Path> all = Files.walk(directory)) {
            for (Path each : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(each);
            }
        }
    }
}
