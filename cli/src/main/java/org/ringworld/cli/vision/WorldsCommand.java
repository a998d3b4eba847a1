package org.ringworld.cli.vision;

import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.ringworld.checkpoints.files.AtomicFiles;
import org.ringworld.cli.Ringworld;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.model.vision.PatchVq;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Devices;
import org.ringworld.tokenizer.worlds.WorldTask;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Writes what a model of images can be trained on with nothing downloaded. */
@Command(
        name = "worlds",
        description = "Make up captioned pictures of coloured shapes, and chats about them.",
        mixinStandardHelpOptions = true,
        showDefaultValues = true,
        footer = {
            "",
            "DIR gets chats.jsonl, with codes, in turn asking about a picture and for one; captions.jsonl, a third as",
            "many pictures with their captions alone; and vqgan, the tokenizer of patches that the codes are of.",
            "",
            "Examples:",
            "  ringworld vision worlds --out worlds",
            "  ringworld train examples/jobs/worlds.conf",
            "  ringworld vision ask-worlds runs/worlds --vqgan worlds/vqgan"
        })
final class WorldsCommand implements Callable<Integer> {
    /** Pictures that the codebook is of: all shapes in all colours are in them. */
    private static final int OF_CODEBOOK = 400;

    private static final int CODES = 1024;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "A directory.")
    private Path out;

    @Option(names = "--count", defaultValue = "30000", description = "Chats.")
    private int count;

    @Option(names = "--seed", defaultValue = "1", description = "Of what there is to be seen.")
    private long seed;

    @Override
    public Integer call() throws Exception {
        if (count < 1) {
            throw new UsageException("--count " + count + " must be at least 1");
        }
        Files.createDirectories(out);
        int cores = Runtime.getRuntime().availableProcessors();
        try (Device device = Devices.open(new DeviceSpec.Cpu(cores))) {
            Stream<float[]> pictures =
                    LongStream.range(0, OF_CODEBOOK)
                            .mapToObj(new WorldTask(seed, false)::picture)
                            .map(shown -> shown.frames().getFirst().values());
            try (PatchVq patches = PatchVq.train(device, pictures, CODES, seed)) {
                patches.write(out.resolve("vqgan"));
                FramesLine line = new FramesLine(count + captions());
                write("chats.jsonl", patches, 0, count, line);
                write("captions.jsonl", patches, count, captions(), line);
                System.out.println(line.summary());
            }
        }
        System.out.println("wrote " + out);
        return Ringworld.DONE;
    }

    private int captions() {
        return Math.ceilDiv(count, 3);
    }

    /** Lines of the pictures [first, first + n). */
    private void write(String name, PatchVq patches, long first, int n, FramesLine line)
            throws IOException {
        WorldTask task = new WorldTask(seed, false);
        Path file = out.resolve(name);
        Path temporary = AtomicFiles.temporary(file);
        try (BufferedWriter lines = Files.newBufferedWriter(temporary)) {
            for (int i = 0; i < n; i++) {
                WorldTask.Shown shown = task.picture(first + i);
                ObjectNode said = first == 0 ? chat(shown, i % 2 == 1) : caption(shown);
                ArrayNode codes = said.putArray("vision");
                for (int code : patches.encode(shown.frames().getFirst().values())) {
                    codes.add(code);
                }
                lines.write(said + "\n");
                line.add();
            }
        }
        AtomicFiles.rename(temporary, file);
    }

    private static ObjectNode caption(WorldTask.Shown shown) {
        return JsonMapper.shared().createObjectNode().put("caption", shown.caption());
    }

    private static ObjectNode chat(WorldTask.Shown shown, boolean draws) {
        ObjectNode chat = JsonMapper.shared().createObjectNode();
        ArrayNode messages = chat.putArray("messages");
        if (draws) {
            add(messages, "user", "Generate an image of " + shown.caption());
            add(messages, "assistant", "<image>");
            return chat;
        }
        String tag = "\n<image>";
        for (WorldTask.Question question : shown.questions()) {
            add(messages, "user", question.text() + tag);
            add(messages, "assistant", question.answer());
            tag = "";
        }
        return chat;
    }

    private static void add(ArrayNode messages, String role, String content) {
        messages.addObject().put("role", role).put("content", content);
    }
}
