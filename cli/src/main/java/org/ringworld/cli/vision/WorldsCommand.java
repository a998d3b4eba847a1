package org.ringworld.cli.vision;

import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.ringworld.cli.Ringworld;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.model.vision.PatchVq;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Devices;
import org.ringworld.tokenizer.media.Picture;
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
            "DIR gets worlds.jsonl, chats with codes, in turn asking about a picture and for one, and vqgan, the",
            "tokenizer of patches that the codes are of.",
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
    private static final int ROUND = 64;

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
            // Of shapes that only tests show there must be codes, too.
            Stream<float[]> pictures =
                    LongStream.range(0, OF_CODEBOOK)
                            .mapToObj(i -> new WorldTask(seed, i % 2 == 1).picture(i))
                            .map(shown -> shown.frames().getFirst().values());
            try (PatchVq patches = PatchVq.train(device, pictures, CODES, seed)) {
                patches.write(out.resolve("vqgan"));
                write(patches);
            }
        }
        System.out.println("wrote " + out);
        return Ringworld.DONE;
    }

    private void write(PatchVq patches) throws IOException {
        WorldTask task = new WorldTask(seed, false);
        Path temporary = out.resolve("worlds.jsonl.tmp");
        FramesLine line = new FramesLine(count);
        try (BufferedWriter lines = Files.newBufferedWriter(temporary)) {
            for (int from = 0; from < count; from += ROUND) {
                List<WorldTask.Shown> some =
                        LongStream.range(from, Math.min(count, from + ROUND))
                                .mapToObj(task::picture)
                                .toList();
                for (int i = 0; i < some.size(); i++) {
                    Picture picture = some.get(i).frames().getFirst();
                    ObjectNode chat = chat(some.get(i), (from + i) % 2 == 1);
                    ArrayNode codes = chat.putArray("vision");
                    for (int code : patches.encode(picture.values())) {
                        codes.add(code);
                    }
                    lines.write(chat + "\n");
                    line.add();
                }
            }
        }
        Files.move(
                temporary,
                out.resolve("worlds.jsonl"),
                java.nio.file.StandardCopyOption.REPLACE_EXISTING,
                java.nio.file.StandardCopyOption.ATOMIC_MOVE);
        System.out.println(line.summary());
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
