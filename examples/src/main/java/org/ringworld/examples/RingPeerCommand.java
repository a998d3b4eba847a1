package org.ringworld.examples;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.LinkedBlockingQueue;
import org.ringworld.actors.NodeSettings;
import org.ringworld.actors.Tls;
import org.ringworld.actors.links.Links;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import tools.jackson.databind.json.JsonMapper;

/**
 * The second process of {@link RingBench}: says where it is, is told where both meet, and then does
 * run after run; a line of JSON each. It ends with whoever started it.
 */
@Command(name = "ring-peer", hidden = true, description = "The second process of bench ring.")
final class RingPeerCommand implements Callable<Integer> {
    @Option(names = "--host", required = true)
    private String host;

    @Option(names = "--directory", required = true)
    private Path directory;

    @Option(names = "--tls")
    private boolean tls;

    @Override
    public Integer call() throws Exception {
        BlockingQueue<String> lines = new LinkedBlockingQueue<>();
        Thread.ofPlatform().daemon().name("stdin").start(() -> read(lines));
        JsonMapper json = JsonMapper.shared();
        try (RingBenchSide side = new RingBenchSide(1, listen(host, directory, tls))) {
            System.out.println(json.writeValueAsString(side.address()));
            side.meet(json.readValue(lines.take(), RingBenchSide.Meeting.class), null);
            while (true) {
                RingBenchSide.Run run = json.readValue(lines.take(), RingBenchSide.Run.class);
                System.out.println(json.writeValueAsString(side.run(run, i -> {})));
            }
        }
    }

    private static void read(BlockingQueue<String> lines) {
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
        NodeSettings.Tls files =
                new NodeSettings.Tls(
                        directory.resolve(host + ".key"),
                        directory.resolve(host + ".crt"),
                        directory.resolve("ca.crt"));
        String process = UUID.randomUUID().toString();
        return Links.listen(process, host, 0, directory, tls ? Tls.of(files).context() : null);
    }
}
