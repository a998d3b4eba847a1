package org.ringworld.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.ringworld.runtime.cpu.HostCpu;
import org.ringworld.runtime.cpu.MachineLimits;
import org.ringworld.runtime.cuda.CudaCard;
import picocli.CommandLine.Command;

/** What this host has, what was chosen, and what is missing at what cost. */
@Command(
        name = "doctor",
        description = "Say what this host has, what was chosen, and what a missing part costs.",
        mixinStandardHelpOptions = true,
        footer = {"", "Examples:", "  ringworld doctor"})
final class DoctorCommand implements Callable<Integer> {
    @Override
    public Integer call() {
        HostCpu host = HostCpu.detect();
        MachineLimits limits = MachineLimits.measure(host.allowedCores());
        line("ringworld", Ringworld.Version.number());
        line("JDK", Runtime.version() + ", " + System.getProperty("java.vm.name"));
        line("home", System.getProperty("java.home"));
        line("system", System.getProperty("os.name") + " " + System.getProperty("os.arch"));
        line("processor", host.model());
        line("cores", host.allowedCores() + " that this process may use");
        line("vectors", host.vectorBits() == 0 ? "none" : host.vectorBits() + " bit");
        line("BF16", host.bf16().map(has -> has ? "in hardware" : "no hardware").orElse("unknown"));
        line("products", host.matmul());
        for (DevicesCommand.Row row : DevicesCommand.rows()) {
            if (!row.device().equals("cpu")) {
                line(row.device(), row.name() == null ? "none: " + row.reason() : card(row));
            }
        }
        if (CudaCard.noDriver() == null) {
            line("CUDA", CudaCard.versions());
        }
        line(
                "limits",
                String.format(
                        Locale.ROOT,
                        "%.0f GFLOP/s F32, %s BF16, %.1f GB/s read (%d threads, measured now)",
                        limits.f32(),
                        limits.bf16().isPresent()
                                ? String.format(
                                        Locale.ROOT, "%.0f GFLOP/s", limits.bf16().getAsDouble())
                                : "no",
                        limits.read(),
                        limits.threads()));
        line(
                "Java heap",
                "%d MiB at most; tensors lie outside it"
                        .formatted(Runtime.getRuntime().maxMemory() >> 20));
        Path temporary = Path.of(System.getProperty("java.io.tmpdir"));
        line("temporary", temporary + (Files.isWritable(temporary) ? "" : ", not writable"));
        missing(host);
        return Ringworld.DONE;
    }

    private static String card(DevicesCommand.Row row) {
        return "%s, %d MiB%s"
                .formatted(
                        row.name(),
                        row.memory() >> 20,
                        row.usable() ? "" : "; not usable: " + row.reason());
    }

    private static void missing(HostCpu host) {
        int found = 0;
        if (host.vectorBits() == 0) {
            found++;
            System.out.println(
                    "missing: the Vector API (--add-modules jdk.incubator.vector): kernels are plain loops, many times slower; start through ./ringworld");
        }
        if (!host.matmul().startsWith("oneDNN")) {
            found++;
            System.out.println(
                    "missing: oneDNN (Linux x86-64): matrix products run in Java, somewhat slower in F32 and half as fast in BF16");
        }
        if (!host.bf16().orElse(false)) {
            found++;
            System.out.println(
                    "missing: BF16 instructions: dtype = bf16 saves memory but no time here");
        }
        if (found == 0) {
            System.out.println("nothing is missing");
        }
    }

    private static void line(String name, String value) {
        System.out.printf("%-10s %s%n", name, value);
    }
}
