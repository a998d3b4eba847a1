package org.ringworld.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.checkpoints.safetensors.SafeTensors;

/** Images to codes and back through the commands. */
class VisionCodesTest {
    private static final Path GOLDEN = Path.of("../checkpoints/src/test/resources/golden/vqgan");

    @TempDir private Path tmp;

    private CommandLineTest.Outcome ok(Object... words) {
        CommandLineTest.Outcome outcome = CommandLineTest.run(words);
        assertThat(outcome.code()).as(outcome.err()).isZero();
        return outcome;
    }

    private void fails(int code, String words, Object... command) {
        CommandLineTest.Outcome outcome = CommandLineTest.run(command);
        assertThat(outcome.code()).as(outcome.err()).isEqualTo(code);
        assertThat(outcome.err()).contains(words).doesNotContain("Exception");
    }

    @Test
    void theGoldenImageComesBackFromAFileAndAModel() throws IOException {
        Path model = tmp.resolve("model");
        Path small = Path.of("../checkpoints/src/test/resources/golden/llama3-tied");
        ok("import", small, model, "--vqgan", GOLDEN);
        ok("import", model, "--vqgan", model); // again, in the place of what is there
        Path image = GOLDEN.resolve("expected.safetensors");
        for (Path vqgan : new Path[] {GOLDEN.resolve("vqgan"), model}) {
            Path codes = tmp.resolve("codes.safetensors");
            Path raw = tmp.resolve("raw.safetensors");
            ok("vision", "encode", image, "--vqgan", vqgan, "--out", codes, "ring.size=2");
            String told = ok("vision", "decode", codes, "--vqgan", vqgan, "--raw", raw).out();
            assertThat(told).contains("1 frame, ").contains("frames/s of 32 × 32 pixels");
            try (SafeTensors expected = SafeTensors.open(image);
                    SafeTensors found = SafeTensors.open(codes);
                    SafeTensors decoded = SafeTensors.open(raw)) {
                assertThat(found.info("codes").shape()).containsExactly(1, 2, 2);
                assertThat(found.readInts("codes")).isEqualTo(expected.readInts("codes"));
                float[] a = decoded.readFloats("decoded");
                float[] b = expected.readFloats("decoded");
                assertThat(decoded.info("decoded").shape()).containsExactly(1, 32, 32, 3);
                for (int i = 0; i < b.length; i++) {
                    assertThat(Math.abs(a[i] - b[i])).isLessThan(1e-4f);
                }
            }
        }
    }

    /** Stripes in grey, which the JDK would brighten, and in color, wider than high. */
    @ParameterizedTest
    @CsvSource({"true,256,256", "false,320,256"})
    void aPictureComesBackFromATokenizerOfItsOwn(boolean grey, int width, int height)
            throws IOException {
        int type = grey ? BufferedImage.TYPE_BYTE_GRAY : BufferedImage.TYPE_INT_RGB;
        BufferedImage picture = new BufferedImage(width, height, type);
        int left = (width - 256) / 2;
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                int value = Math.floorMod(x - left, 256) / 16 * 15;
                for (int band = 0; band < picture.getRaster().getNumBands(); band++) {
                    picture.getRaster().setSample(x, y, band, value / (band + 1));
                }
            }
        }
        Path file = tmp.resolve("stripes.png");
        ImageIO.write(picture, "png", file.toFile());
        Path patches = tmp.resolve("patches");
        Path codes = tmp.resolve("codes.safetensors");
        Path back = tmp.resolve("back.png");
        ok("vision", "train", tmp, "--codes", "32", "--out", patches);
        ok("vision", "encode", file, "--vqgan", patches, "--out", codes);
        ok("vision", "decode", codes, "--vqgan", patches, "--out", back);
        BufferedImage again = ImageIO.read(back.toFile());
        for (int i = 0; i < 256 * 256; i++) {
            int value = i % 256 / 16 * 15;
            int color = grey ? value * 0x10101 : value << 16 | value / 2 << 8 | value / 3;
            assertThat(again.getRGB(i % 256, i / 256) & 0xffffff).isEqualTo(color);
        }
    }

    @Test
    void whatCannotBeUsedIsNamedAndNothingIsWritten() throws IOException {
        Path image = GOLDEN.resolve("expected.safetensors");
        Path codes = tmp.resolve("codes.safetensors");
        Path out = tmp.resolve("out.png");
        Path text = Files.writeString(tmp.resolve("text.png"), "text");
        ok("vision", "encode", image, "--vqgan", GOLDEN, "--out", codes);
        String decode = "decode";
        fails(2, "needs --out FILE.png or --raw", "vision", decode, codes, "--vqgan", GOLDEN);
        fails(2, ".mp4", "vision", decode, codes, "--vqgan", GOLDEN, "--out", tmp.resolve("a.avi"));
        fails(1, "no such VQGAN", "vision", decode, codes, "--vqgan", out, "--out", out);
        fails(1, "too few", "vision", decode, text, "--vqgan", GOLDEN, "--out", out);
        fails(
                1,
                "is neither a picture nor a video",
                "vision",
                "encode",
                text,
                "--vqgan",
                GOLDEN,
                "--out",
                out);
        fails(1, "is no pickle", "vision", "encode", image, "--vqgan", text, "--out", out);
        fails(2, "fewer codes", "vision", "train", pixel(), "--codes", "300", "--out", out);
        fails(1, "no such file", "vision", "train", tmp.resolve("no.png"), "--out", out);
        fails(2, "a command is needed", "vision");
        fails(2, "needs OUT", "import", tmp);
        assertThat(out).doesNotExist();
    }

    private Path pixel() throws IOException {
        Path file = tmp.resolve("pixel.jpg");
        ImageIO.write(new BufferedImage(1, 1, BufferedImage.TYPE_INT_RGB), "jpg", file.toFile());
        return file;
    }
}
