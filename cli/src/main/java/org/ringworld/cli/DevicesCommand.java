package org.ringworld.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.ringworld.runtime.cpu.HostCpu;
import org.ringworld.runtime.cpu.device.HostMemory;
import org.ringworld.runtime.cuda.CudaCard;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import tools.jackson.databind.json.JsonMapper;

/** What a job or a node may name in {@code devices}. */
@Command(
        name = "devices",
        description = "List the devices of this host, and why one of them cannot be used.",
        mixinStandardHelpOptions = true,
        footer = {"", "Examples:", "  ringworld devices", "  ringworld devices --json"})
final class DevicesCommand implements Callable<Integer> {
    @Option(names = "--json", description = "Write JSON.")
    private boolean json;

    /**
     * @param device as in {@code devices}: {@code cpu}, or {@code cuda 0}
     * @param memory bytes
     * @param reason why it cannot be used, or null
     */
    record Row(String device, String name, long memory, boolean usable, String reason) {}

    @Override
    public Integer call() {
        List<Row> rows = rows();
        if (json) {
            System.out.println(
                    JsonMapper.shared().writerWithDefaultPrettyPrinter().writeValueAsString(rows));
            return Ringworld.DONE;
        }
        for (Row row : rows) {
            System.out.printf(
                    "%-8s %s%n",
                    row.device,
                    row.name == null
                            ? "none: " + row.reason
                            : "%s, %.1f GiB%s"
                                    .formatted(
                                            row.name,
                                            row.memory / (double) (1L << 30),
                                            row.usable ? "" : "; not usable: " + row.reason));
        }
        if (CudaCard.noDriver() == null) {
            System.out.printf("%-8s %s%n", "CUDA", CudaCard.versions());
        }
        return Ringworld.DONE;
    }

    /** The CPU and every card; where no card is seen, why. */
    static List<Row> rows() {
        HostCpu host = HostCpu.detect();
        String cpu = "%s, %d cores".formatted(host.model(), host.allowedCores());
        List<Row> rows = new ArrayList<>();
        rows.add(new Row("cpu", cpu, HostMemory.physical(), true, null));
        for (CudaCard card : CudaCard.list()) {
            String device = "cuda " + card.index();
            rows.add(new Row(device, card.name(), card.memory(), card.usable(), card.reason()));
        }
        if (CudaCard.noDriver() != null) {
            rows.add(new Row("cuda", null, 0, false, CudaCard.noDriver()));
        }
        return rows;
    }
}
