package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.checkpoints.safetensors.SafeTensors;

/** A model that has learned what red and blue look like, and says and shows it. */
class SeeDrawFilmTest {
    @TempDir private static Path tmp;

    private static Path model;

    private static String run(Object... words) {
        CommandLineTest.Outcome outcome = CommandLineTest.run(words);
        assertThat(outcome.code()).as(outcome.err()).isZero();
        return outcome.out();
    }

    private static Path picture(String name, int rgb) throws Exception {
        BufferedImage image = new BufferedImage(300, 280, BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < 280; y++) {
            for (int x = 0; x < 300; x++) {
                image.setRGB(x, y, rgb);
            }
        }
        Path file = tmp.resolve(name + ".png");
        ImageIO.write(image, "png", file.toFile());
        return file;
    }

    @BeforeAll
    static void train() throws Exception {
        StringBuilder lines = new StringBuilder();
        Path red = picture("red", 0xff0000);
        Path blue = picture("blue", 0x0000ff);
        Path patches = tmp.resolve("patches");
        run("vision", "train", red, blue, "--out", patches, "--codes", "2");
        for (Path file : new Path[] {red, blue}) {
            String color = file.getFileName().toString().replace(".png", "");
            Path out = tmp.resolve(color + ".safetensors");
            run("vision", "encode", file, "--vqgan", patches, "--out", out);
            try (SafeTensors in = SafeTensors.open(out)) {
                String codes = java.util.Arrays.toString(in.readInts("codes"));
                String chat =
                        "{\"messages\": [{\"role\": \"user\", \"content\": \"%s\"}, {\"role\": \"assistant\", \"content\": \"%s\"}], \"vision\": %s}%n";
                lines.append(chat.formatted("What colour?\\n<image>", color, codes));
                lines.append(chat.formatted("Generate an image of " + color, "<image>", codes));
            }
        }
        Path data = Files.writeString(tmp.resolve("chats.jsonl"), lines);
        run(
                "train",
                "model={vocabSize=260,visionVocabSize=8448,hiddenSize=32,intermediateSize=64,numLayers=2,numHeads=2}",
                "tokenizer=bytes",
                "data={path=" + data + ",documentWeights=true,modalityWeights=true,heldOut=0}",
                "optimizer={learningRate=1e-2,warmupSteps=5}",
                "stages=[{seqLen=768,steps=100,tokensPerStep=1536}]",
                "output=" + tmp.resolve("run"));
        model = tmp.resolve("run/final");
        run("import", model, "--vqgan", patches);
    }

    private static int color(Path png) throws Exception {
        BufferedImage image = ImageIO.read(png.toFile());
        assertThat(image.getWidth()).isEqualTo(256);
        return image.getRGB(128, 128) & 0xffffff;
    }

    @ParameterizedTest
    @CsvSource({"red, ff0000, 1", "blue, ff, 2"})
    void whatItIsAskedForIsDrawn(String color, String rgb, int ring) throws Exception {
        Path out = tmp.resolve("drawn-" + color + ".png");
        run("draw", model, color, "-o", out, "--image-temperature", "0", "ring.size=" + ring);
        assertThat(color(out)).isEqualTo(Integer.parseInt(rgb, 16));
    }

    @ParameterizedTest
    @CsvSource({"red, 1", "blue, 2"})
    void whatIsSeenIsSaid(String color, int ring) {
        Path file = tmp.resolve(color + ".png");
        String said =
                run(
                        "see",
                        model,
                        file,
                        "--ask",
                        "What colour?",
                        "--temperature",
                        "0",
                        "ring.size=" + ring);
        assertThat(said.strip()).isEqualTo(color);
    }

    @Test
    void aFilmHasItsFramesAndASeedGivesTheSame() throws Exception {
        Path film = tmp.resolve("film.mp4");
        Path prefix = tmp.resolve("frame");
        for (int i = 0; i < 2; i++) {
            run(
                    "film",
                    model,
                    "blue",
                    "-o",
                    film,
                    "--frames",
                    "3",
                    "--preview",
                    prefix,
                    "--video-guidance",
                    "2",
                    "--beyond",
                    "--seed",
                    "7");
            Files.move(film, tmp.resolve(i + ".mp4"));
            assertThat(tmp.resolve("frame-3.png")).exists();
        }
        assertThat(tmp.resolve("1.mp4")).hasSameBinaryContentAs(tmp.resolve("0.mp4"));
        Path codes = tmp.resolve("film.safetensors");
        String told =
                run("vision", "encode", tmp.resolve("0.mp4"), "--vqgan", model, "--out", codes);
        assertThat(told).startsWith("3 frames");
    }

    @Test
    void worldsAreMadeAndAskedAbout() throws Exception {
        Path worlds = tmp.resolve("worlds");
        run("vision", "worlds", "--out", worlds, "--count", "9");
        assertThat(Files.readAllLines(worlds.resolve("chats.jsonl"))).hasSize(9);
        assertThat(Files.readAllLines(worlds.resolve("captions.jsonl"))).hasSize(3);
        Path sheet = tmp.resolve("sheet.png");
        String told =
                run(
                        "vision",
                        "ask-worlds",
                        model,
                        "--count",
                        "2",
                        "--draw",
                        "1",
                        "--sheet",
                        sheet,
                        "--image-temperature",
                        "0");
        assertThat(told).contains("count", "% of 2", "drawn: all");
        assertThat(sheet).exists();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "draw MODEL -o x.png | TEXT is missing",
                "draw MODEL red -o x.mp4 | a picture is a .png",
                "film MODEL red -o x.png | a film is an .mp4 or a .gif",
                "film MODEL red -o x.mp4 --frames 1 | at least 2 --frames",
                "see MODEL nowhere.png --ask what | nowhere.png: there is no such file",
                "see MODEL red.png --ask what --vqgan nowhere | nowhere: there is no such VQGAN"
            })
    void whatCannotBeIsASentence(String words, String sentence) {
        Object[] given = words.replace("MODEL", model.toString()).split(" ");
        CommandLineTest.Outcome outcome = CommandLineTest.run(given);
        assertThat(outcome.code()).isNotZero();
        assertThat(outcome.err()).contains(sentence);
    }
}
