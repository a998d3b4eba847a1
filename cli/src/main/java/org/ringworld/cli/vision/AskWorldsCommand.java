package org.ringworld.cli.vision;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.ringworld.cli.ModelOptions;
import org.ringworld.cli.Ringworld;
import org.ringworld.cli.TextModel;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Continuation;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.model.vision.TokenizerRing;
import org.ringworld.model.vision.VisionPrompt;
import org.ringworld.tokenizer.media.MediaFile;
import org.ringworld.tokenizer.media.Picture;
import org.ringworld.tokenizer.worlds.Thing;
import org.ringworld.tokenizer.worlds.World;
import org.ringworld.tokenizer.worlds.WorldTask;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures a model by worlds that no training shows: its answers, and its pictures. */
@Command(
        name = "ask-worlds",
        description = "Ask a model about made-up pictures, and for such.",
        mixinStandardHelpOptions = true,
        showDefaultValues = true,
        footer = {
            "",
            "Each picture has things together that training never shows together. An answer must be the word; a",
            "picture must show the things that its caption names, and no others.",
            "",
            "Examples:",
            "  ringworld vision ask-worlds runs/worlds --vqgan worlds/vqgan --sheet sheet.png"
        })
final class AskWorldsCommand implements Callable<Integer> {
    /** Another world than that of any training. */
    private static final long SEED = 0x7e57;

    private static final int MOST_TOKENS = 12;

    @Mixin private ModelOptions model;

    @Mixin private VisionModel vision;

    @Mixin private ImageSampling sampling;

    @Option(names = "--count", defaultValue = "100", description = "Pictures asked about.")
    private int count;

    @Option(names = "--draw", defaultValue = "50", description = "Pictures asked for.")
    private int drawn;

    @Option(names = "--seen", description = "Of things that training shows together, elsewhere.")
    private boolean seen;

    @Option(names = "--sheet", paramLabel = "OUT.png", description = "What was drawn, on a sheet.")
    private Path sheet;

    private final Map<String, int[]> right = new TreeMap<>();

    @Override
    public Integer call() throws Exception {
        if (count < 0 || drawn < 0) {
            throw new UsageException("--count and --draw must be at least 0");
        }
        WorldTask task = new WorldTask(SEED, !seen);
        TextModel text = model.open();
        try (TokenizerRing images = vision.open(text);
                Engine engine =
                        model.engine(text, text.on().config().maxPositionEmbeddings() * 4)) {
            VisionPrompt prompt = VisionModel.prompt(text, images);
            for (int i = 0; i < count; i++) {
                ask(task.picture(i), text, images, prompt, engine);
            }
            List<float[]> pictures = new ArrayList<>();
            for (int i = 0; i < drawn; i++) {
                WorldTask.Shown wish = task.picture(count + i);
                Ask ask = sampling.draw(prompt, wish.caption());
                List<int[]> codes = WrittenFrames.of(ask, engine, prompt, _ -> {});
                pictures.addAll(VisionModel.decode(images, codes));
                judge(wish, World.of(Picture.of(pictures.getLast())));
            }
            if (sheet != null && !pictures.isEmpty()) {
                MediaFile.write(List.of(ImageFile.sheet(pictures)), 1, sheet);
                System.out.println("wrote " + sheet);
            }
        }
        right.forEach(
                (kind, n) ->
                        System.out.printf(
                                "%-22s %5.1f %% of %d%n", kind, 100.0 * n[0] / n[1], n[1]));
        return Ringworld.DONE;
    }

    private void count(String kind, boolean isRight) {
        int[] of = right.computeIfAbsent(kind, _ -> new int[2]);
        of[0] += isRight ? 1 : 0;
        of[1]++;
    }

    private void ask(
            WorldTask.Shown shown,
            TextModel text,
            TokenizerRing images,
            VisionPrompt prompt,
            Engine engine)
            throws Exception {
        List<int[]> codes = new ArrayList<>();
        images.encode(shown.frames().stream().map(Picture::values).iterator(), codes::add);
        int[] all = codes.stream().flatMapToInt(Arrays::stream).toArray();
        for (WorldTask.Question question : shown.questions()) {
            int[] ids = prompt.see(question.text(), all);
            Ask ask = new Ask(ids, MOST_TOKENS, Sampler.GREEDY, text.tokenizer().ends());
            String said = Continuation.of(ask, engine, text.tokenizer(), List.of(" USER")).text();
            count(question.kind(), said.strip().equals(question.answer()));
        }
    }

    private void judge(WorldTask.Shown wish, World drawnWorld) {
        World wanted = World.of(wish.frames().getFirst());
        List<String> want = wanted.things().stream().map(Thing::name).sorted().toList();
        List<String> have = drawnWorld.things().stream().map(Thing::name).sorted().toList();
        count("drawn: all", have.equals(want));
        count("drawn: the number", have.size() == want.size());
        for (String name : want) {
            count("drawn: a thing asked for", have.contains(name));
        }
    }
}
