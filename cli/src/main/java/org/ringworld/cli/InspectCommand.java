package org.ringworld.cli;

import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.ringworld.checkpoints.Inspection;
import org.ringworld.checkpoints.snapshot.Snapshot;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** What is in a file or directory of weights, without loading it. */
@Command(
        name = "inspect",
        description = "Show format, config, tensors and sizes of weights without loading them.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "PATH: a file (safetensors, PyTorch .bin, LWM's JAX params) or a directory (Hugging Face,",
            "LWM, a snapshot, a run, which means its newest model).",
            "",
            "Examples:",
            "  ringworld inspect pytorch_model.bin",
            "  ringworld inspect runs/needles/snapshots/step-100 --json"
        })
final class InspectCommand implements Callable<Integer> {
    private static final JsonMapper JSON = JsonMapper.shared();

    @Parameters(
            index = "0",
            paramLabel = "PATH",
            description = "A file or directory of weights, or hf:OWNER/NAME.")
    private Path path;

    @Option(names = "--json", description = "Write JSON.")
    private boolean json;

    @Override
    public Integer call() throws Exception {
        Inspection inspection = Inspection.of(Ringworld.HUB.model(path));
        if (json) {
            System.out.println(
                    JSON.writerWithDefaultPrettyPrinter().writeValueAsString(json(inspection)));
        } else {
            print(inspection);
        }
        return Ringworld.DONE;
    }

    private static ObjectNode json(Inspection in) {
        ObjectNode node = JSON.createObjectNode();
        node.put("path", in.path().toString());
        node.put("format", in.format());
        node.set("config", JSON.valueToTree(in.config()));
        node.set("faults", JSON.valueToTree(in.faults()));
        node.set("metadata", JSON.valueToTree(in.metadata()));
        ArrayNode tensors = node.putArray("tensors");
        for (Inspection.Tensor tensor : in.tensors()) {
            ObjectNode of = tensors.addObject();
            of.put("name", tensor.name());
            of.put("dtype", tensor.type().name());
            of.set("shape", JSON.valueToTree(tensor.shape()));
            of.put("bytes", tensor.bytes());
            of.put("file", tensor.file().getFileName().toString());
        }
        node.put("parameters", in.tensors().stream().mapToLong(Inspection.Tensor::count).sum());
        node.put("bytes", in.tensors().stream().mapToLong(Inspection.Tensor::bytes).sum());
        if (in.progress() != null) {
            node.set("snapshot", JSON.valueToTree(in.progress()));
            ArrayNode files = node.putArray("files");
            for (Inspection.Checksum file : in.files()) {
                files.addObject()
                        .put("name", file.name())
                        .put("bytes", file.bytes())
                        .put("crc32c", "%08x".formatted(file.crc32c()));
            }
        }
        return node;
    }

    private static void print(Inspection in) {
        System.out.println(in.path() + ": " + in.format());
        System.out.println("config    " + (in.config() == null ? "none" : in.config()));
        in.faults()
                .forEach(
                        fault ->
                                System.out.println("fault     does not fit config.json: " + fault));
        in.metadata()
                .forEach((key, value) -> System.out.println("metadata  " + key + " = " + value));
        if (in.progress() != null) {
            Snapshot.Position at = in.progress();
            System.out.printf(
                    Locale.ROOT,
                    "snapshot  step %d, stage %d, %d tokens, ring of %d, seed %d%n",
                    at.step(),
                    at.stage(),
                    at.tokensSeen(),
                    at.ringSize(),
                    at.seed());
        }
        for (Inspection.Checksum file : in.files()) {
            System.out.printf(
                    "file      %08x %14d  %s%n", file.crc32c(), file.bytes(), file.name());
        }
        for (Inspection.Tensor tensor : in.tensors()) {
            System.out.printf(
                    "%-9s %14d  %s %s%n",
                    tensor.type(), tensor.bytes(), tensor.name(), tensor.shape());
        }
        System.out.printf(
                "total     %14d bytes in %d tensors of %d elements%n",
                in.tensors().stream().mapToLong(Inspection.Tensor::bytes).sum(),
                in.tensors().size(),
                in.tensors().stream().mapToLong(Inspection.Tensor::count).sum());
    }
}
