package org.ringworld.tokenizer.media;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.awt.image.BufferedImage;
import java.awt.image.IndexColorModel;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageWriteParam;
import javax.imageio.ImageWriter;
import javax.imageio.stream.ImageOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.tokenizer.DataException;

/** Media that are right, but not what one thinks of first, and what is none though it looks so. */
class UnusualMediaTest {
    private static final Path MEDIA = Path.of("src/test/resources/media");

    @TempDir private Path directory;

    private static Picture read(BufferedImage image) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ImageIO.write(image, "png", bytes);
        return PictureFile.read(bytes.toByteArray(), "made.png");
    }

    /**
     * What is scaled whole would take gigabytes: a square is cut out of it, and no more is made.
     */
    @ParameterizedTest
    @CsvSource({"1,65536", "65536,1", "2,4000001", "16777216,1"})
    void linesAreFramesInLittleMemory(int width, int height) {
        byte[] rgb = new byte[3 * width * height];
        Arrays.fill(rgb, (byte) 9);
        Picture frame = new Picture(width, height, rgb).fitted(256);
        assertThat(frame.rgb()).hasSize(3 * 256 * 256).containsOnly(9);
    }

    @Test
    void sixteenBitsAreRoundedToEight() throws Exception {
        BufferedImage image = new BufferedImage(3, 1, BufferedImage.TYPE_USHORT_GRAY);
        image.getRaster().setSamples(0, 0, 3, 1, 0, new int[] {0, 257 * 100, 65535});
        assertThat(read(image).rgb()).containsExactly(0, 0, 0, 100, 100, 100, -1, -1, -1);
    }

    @Test
    void aPalettesTransparentColourIsWhite() throws Exception {
        byte[] red = {0, (byte) 200};
        byte[] none = {0, 0};
        IndexColorModel palette = new IndexColorModel(1, 2, red, none, none, new byte[] {0, -1});
        BufferedImage image = new BufferedImage(2, 1, BufferedImage.TYPE_BYTE_BINARY, palette);
        image.getRaster().setSample(1, 0, 0, 1);
        assertThat(read(image).rgb()).containsExactly(-1, -1, -1, (byte) 200, 0, 0);
    }

    @Test
    void aProgressiveJpegIsThePlainOne() throws Exception {
        BufferedImage image = ImageIO.read(MEDIA.resolve("noise.png").toFile());
        assertThat(jpeg(image, ImageWriteParam.MODE_DEFAULT))
                .isEqualTo(jpeg(image, ImageWriteParam.MODE_DISABLED));
    }

    private static byte[] jpeg(BufferedImage image, int progressive) throws Exception {
        ImageWriter writer = ImageIO.getImageWritersByFormatName("jpeg").next();
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ImageOutputStream out = ImageIO.createImageOutputStream(bytes)) {
            writer.setOutput(out);
            ImageWriteParam how = writer.getDefaultWriteParam();
            how.setProgressiveMode(progressive);
            writer.write(null, new IIOImage(image, null, null), how);
        } finally {
            writer.dispose();
        }
        return PictureFile.read(bytes.toByteArray(), "made.jpg").rgb();
    }

    /** EXIF knows 1 to 8. */
    @ParameterizedTest
    @ValueSource(bytes = {0, 9, 77})
    void anOrientationThatIsNoneTurnsNothing(byte orientation) throws Exception {
        byte[] bytes = Files.readAllBytes(MEDIA.resolve("orientation-6.jpg"));
        byte[] upright = Files.readAllBytes(MEDIA.resolve("orientation-1.jpg"));
        int differing = Arrays.mismatch(bytes, upright);
        assertThat(bytes[differing]).isEqualTo((byte) 6);
        bytes[differing] = orientation;
        assertThat(PictureFile.read(bytes, "odd.jpg").rgb())
                .isEqualTo(PictureFile.read(upright, "upright.jpg").rgb());
    }

    private Path made(String name, String... arguments) throws Exception {
        Path file = directory.resolve(name);
        List<String> all = new ArrayList<>(List.of("-v", "error"));
        all.addAll(List.of(arguments));
        all.add(file.toString());
        Process process = Ffmpeg.command("ffmpeg", all).redirectErrorStream(true).start();
        process.getOutputStream().close();
        byte[] said = process.getInputStream().readAllBytes();
        assertThat(process.waitFor()).as(new String(said, StandardCharsets.UTF_8)).isZero();
        return file;
    }

    @Test
    void theProgramHasLimits() throws Exception {
        assumeTrue(Files.exists(Path.of("/proc/self/limits")), "limits are read as Linux has them");
        List<String> waiting =
                List.of(
                        "-v",
                        "error",
                        "-f",
                        "rawvideo",
                        "-s",
                        "8x8",
                        "-i",
                        "pipe:0",
                        "-f",
                        "null",
                        "-");
        Process process = Ffmpeg.command("ffmpeg", waiting).start();
        try {
            Path proc = Path.of("/proc", "" + process.pid());
            while (process.isAlive()
                    && !Files.readString(proc.resolve("comm")).strip().equals("ffmpeg")) {
                Thread.sleep(5);
            }
            assertThat(Files.readString(proc.resolve("limits")))
                    .containsPattern("Max cpu time +7200 ")
                    .containsPattern("Max address space +" + (6L << 30) + " ")
                    .containsPattern("Max core file size +0 ");
        } finally {
            process.destroyForcibly();
        }
    }

    @Test
    void soundIsNoVideoThoughItHasACover() throws Exception {
        Path sound = made("sound.wav", "-f", "lavfi", "-i", "sine=duration=0.2");
        assertNoVideo(sound);
        String cover = MEDIA.resolve("noise.png").toString();
        assertNoVideo(
                made(
                        "song.m4a",
                        "-i",
                        sound.toString(),
                        "-i",
                        cover,
                        "-map",
                        "0",
                        "-map",
                        "1",
                        "-c:v",
                        "copy",
                        "-disposition:v:0",
                        "attached_pic",
                        "-f",
                        "mp4"));
    }

    private static void assertNoVideo(Path file) {
        assertThatThrownBy(() -> MediaFile.frames(file, 32, 4))
                .isInstanceOf(DataException.class)
                .hasMessage(
                        file
                                + ": is neither a picture nor a video that can be read (it has no video in it)");
    }

    /** Frame n is shown at n² / 10 seconds: by number each once, by time the late ones longer. */
    @Test
    void framesOfAVariableRateAreCountedOnceOrByTime() throws Exception {
        Path file =
                made(
                        "variable.mp4",
                        "-f",
                        "lavfi",
                        "-i",
                        "testsrc=size=64x64:rate=10:duration=0.8",
                        "-vf",
                        "setpts=N*N/10/TB",
                        "-fps_mode",
                        "vfr",
                        "-c:v",
                        "mpeg4");
        assertThat(MediaFile.frames(file, 32, 100)).hasSize(8);
        int byTime = 0;
        try (PictureStream frames = MediaFile.stream(file, 32, 10)) {
            for (; frames.hasNext(); frames.next()) {
                byTime++;
            }
        }
        assertThat(byTime).isGreaterThanOrEqualTo(49);
    }
}
