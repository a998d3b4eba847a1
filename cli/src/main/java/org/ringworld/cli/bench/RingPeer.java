package org.ringworld.cli.bench;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.Writer;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.ringworld.cli.Ringworld;
import org.ringworld.cli.bench.RingBench.Transport;
import tools.jackson.databind.json.JsonMapper;

/** A second process of the same program, a {@link RingPeerCommand}; both talk in lines of JSON. */
final class RingPeer implements AutoCloseable {
    private final Process process;
    private final BufferedReader answers;
    private final Writer requests;

    /** The same program with the same flags. */
    RingPeer(Transport transport, Path directory, List<String> more) throws IOException {
        String host = RingBench.other(transport);
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        command.add("-cp");
        command.add(System.getProperty("java.class.path"));
        command.add(Ringworld.class.getName());
        command.addAll(List.of("ring-peer", "--host", host, "--directory", directory.toString()));
        if (transport == Transport.tls) {
            command.add("--tls");
        }
        command.addAll(more);
        this.process =
                new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        this.answers = process.inputReader();
        this.requests = process.outputWriter();
    }

    long pid() {
        return process.pid();
    }

    void ask(Object request) throws IOException {
        requests.write(JsonMapper.shared().writeValueAsString(request) + "\n");
        requests.flush();
    }

    <T> T answer(Class<T> type) throws IOException {
        String line = answers.readLine();
        if (line == null) {
            throw new IOException("the second process of the ring ended; it said why above");
        }
        return JsonMapper.shared().readValue(line, type);
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }
}
