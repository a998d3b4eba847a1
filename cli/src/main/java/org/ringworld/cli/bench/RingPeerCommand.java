package org.ringworld.cli.bench;

import com.typesafe.config.ConfigFactory;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.LinkedBlockingQueue;
import org.ringworld.actors.cluster.NodeSettings;
import org.ringworld.actors.cluster.tls.Tls;
import org.ringworld.actors.device.DeviceRing;
import org.ringworld.actors.links.Links;
import org.ringworld.cli.Ringworld;
import org.ringworld.model.ring.RingPlaces;
import org.ringworld.model.training.StepRows;
import org.ringworld.model.training.coordination.Report;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import tools.jackson.databind.json.JsonMapper;

/**
 * The second process of {@link RingBench} or {@link RingStepBench}: says where it is, is told where
 * both meet, and then does run after run or step after step; a line of JSON each. It ends with
 * whoever started it.
 */
@Command(name = "ring-peer", hidden = true, description = "The second process of bench ring.")
public final class RingPeerCommand implements Callable<Integer> {
    @Option(names = "--host", required = true)
    private String host;

    @Option(names = "--directory", required = true)
    private Path directory;

    @Option(names = "--tls")
    private boolean tls;

    @Option(names = "--steps")
    private String steps;

    private final BlockingQueue<String> lines = new LinkedBlockingQueue<>();

    @Override
    public Integer call() throws Exception {
        Thread.ofPlatform().daemon().name("stdin").start(this::read);
        Links links = listen(host, directory, tls);
        tell(links.address());
        if (steps == null) {
            RingBenchSide side = new RingBenchSide(1, links);
            side.meet(asked(RingBenchSide.Meeting.class), null);
            while (true) {
                tell(side.run(asked(RingBenchSide.Run.class), i -> {}));
            }
        }
        StepWork work = StepWork.of(ConfigFactory.parseString(steps));
        DeviceRing ring = RingStepBench.ring(work, links, asked(RingPlaces.class), 1);
        while (true) {
            int step = asked(Integer.class);
            StepRows rows = work.rows(step, RingStepBench.RANKS);
            tell(step);
            asked(Integer.class); // begin
            List<Report.Stepped> rank = ring.train(rows);
            tell(RingStepBench.Answer.of(rank.getFirst()));
        }
    }

    private static void tell(Object answer) {
        System.out.println(JsonMapper.shared().writeValueAsString(answer));
    }

    private <T> T asked(Class<T> type) throws InterruptedException {
        return JsonMapper.shared().readValue(lines.take(), type);
    }

    private void read() {
        try (BufferedReader in =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                lines.add(line);
            }
        } catch (IOException e) {
            // The same as the end.
        }
        // In the middle of whatever it does: nobody wants it any more.
        Runtime.getRuntime().halt(Ringworld.DONE);
    }

    /** Links of a process of its own, with the certificate of its host in {@code directory}. */
    static Links listen(String host, Path directory, boolean tls) throws IOException {
        NodeSettings.TlsFiles files =
                new NodeSettings.TlsFiles(
                        directory.resolve(host + ".key"),
                        directory.resolve(host + ".crt"),
                        directory.resolve("ca.crt"));
        String process = UUID.randomUUID().toString();
        return Links.listen(process, host, 0, directory, tls ? Tls.of(files).context() : null);
    }
}
