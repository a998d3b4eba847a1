package org.ringworld.tokenizer.media;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.DataInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.tokenizer.DataException;

class MediaFileTest {
    private static final Path MEDIA = Path.of("src/test/resources/media");

    @TempDir private Path directory;

    /**
     * Made by Pillow 12 with LWM's lines of Python: an RGB, a CMYK, a grey and a palette picture,
     * lossless webp and gif, and EXIF's eight orientations, as frames of 16 and of 32.
     */
    @Test
    void framesArePillows() throws Exception {
        List<String> names =
                new ArrayList<>(
                        List.of(
                                "noise.png",
                                "noise.jpg",
                                "cmyk.jpg",
                                "noise.webp",
                                "palette.png",
                                "grey.png",
                                "noise.gif"));
        for (int o = 1; o <= 8; o++) {
            names.add("orientation-" + o + ".jpg");
        }
        try (var expected =
                new DataInputStream(Files.newInputStream(MEDIA.resolve("pillow.bin")))) {
            for (String name : names) {
                for (int side : new int[] {16, 32}) {
                    byte[] right = expected.readNBytes(3 * side * side);
                    Picture frame = MediaFile.frames(MEDIA.resolve(name), side, 1).getFirst();
                    assertThat(frame.rgb()).as(name).isEqualTo(right);
                }
            }
            assertThat(expected.read()).isNegative();
        }
    }

    @Test
    void valuesComeBack() throws Exception {
        Picture frame = MediaFile.frames(MEDIA.resolve("noise.png"), 32, 1).getFirst();
        for (float value : frame.values()) {
            assertThat(value).isBetween(-1f, 1f);
        }
        assertThat(Picture.of(frame.values()).rgb()).isEqualTo(frame.rgb());
        Path file = directory.resolve("same.png");
        MediaFile.write(List.of(frame), 1, file);
        assertThat(MediaFile.frames(file, 32, 1).getFirst().rgb()).isEqualTo(frame.rgb());
    }

    private static Picture plain(int side, int red, int green, int blue) {
        byte[] rgb = new byte[3 * side * side];
        for (int i = 0; i < rgb.length; i += 3) {
            rgb[i] = (byte) red;
            rgb[i + 1] = (byte) green;
            rgb[i + 2] = (byte) blue;
        }
        return new Picture(side, side, rgb);
    }

    /** A video whose frames get lighter, ten a second. */
    private Path video(String name, int frames) throws IOException {
        List<Picture> all = new ArrayList<>();
        for (int i = 0; i < frames; i++) {
            all.add(plain(64, 8 * i, 8 * i, 8 * i));
        }
        Path file = directory.resolve(name);
        MediaFile.write(all, 10, file);
        return file;
    }

    private static List<Integer> shown(List<Picture> frames) {
        return frames.stream().map(f -> Math.round((f.rgb()[3000] & 0xff) / 8f)).toList();
    }

    @ParameterizedTest
    @ValueSource(strings = {"v.mp4", "v.gif"})
    void framesOfAVideoAreTheFirstTheLastAndThoseBetween(String name) throws Exception {
        Path file = video(name, 30);
        assertThat(shown(MediaFile.frames(file, 64, 100))).hasSize(30).startsWith(0, 1, 2);
        assertThat(shown(MediaFile.frames(file, 64, 4))).containsExactly(0, 9, 19, 29);
        assertThat(shown(MediaFile.frames(file, 64, 1))).containsExactly(0);
        int count = 0;
        for (Iterator<Picture> all = MediaFile.stream(file, 32, 5); all.hasNext(); all.next()) {
            count++;
        }
        assertThat(count).isBetween(14, 16);
    }

    /** What is not there any more is not missed: its other frames are taken. */
    @Test
    void aVideoThatEndsTooEarlyGivesTheFramesItHas() throws Exception {
        // A gif, whose frames stand one after the other: an mp4 has their places at its end.
        Path whole = video("v.gif", 30);
        byte[] bytes = Files.readAllBytes(whole);
        Path half = directory.resolve("half.gif");
        Files.write(half, Arrays.copyOf(bytes, bytes.length / 2));
        List<Integer> frames = shown(MediaFile.frames(half, 64, 3));
        assertThat(frames).hasSize(3);
        assertThat(frames.getFirst()).isZero();
        assertThat(frames.getLast()).isBetween(8, 20);
        Path mp4 = video("v.mp4", 30);
        Path cut =
                Files.write(
                        directory.resolve("cut.mp4"), Arrays.copyOf(Files.readAllBytes(mp4), 900));
        assertThatThrownBy(() -> MediaFile.frames(cut, 64, 3))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("cut.mp4");
    }

    @Test
    void whatIsNoPictureIsASentence() throws Exception {
        assertRefused(directory.resolve("none.png"), "there is no such file");
        assertRefused(directory, "is a directory");
        assertRefused(Files.createFile(directory.resolve("empty.jpg")), "is empty");
        assertRefused(
                Files.writeString(directory.resolve("t.png"), "text"), "neither a picture nor");
        byte[] png = Files.readAllBytes(MEDIA.resolve("noise.png"));
        Path cut = Files.write(directory.resolve("cut.png"), Arrays.copyOf(png, 400));
        assertRefused(cut, "damaged picture");
        // A bomb: a few bytes that say how large they are to become.
        ByteBuffer.wrap(png).putInt(16, 60_000).putInt(20, 60_000);
        assertRefused(Files.write(directory.resolve("bomb.png"), png), "60000 × 60000 pixels");
        Path wrong = directory.resolve("really-a-jpg.png");
        Files.copy(MEDIA.resolve("noise.jpg"), wrong);
        assertThat(MediaFile.frames(wrong, 16, 1)).hasSize(1);
        assertThat(MediaFile.frames(one(), 256, 1).getFirst().rgb()).containsOnly(7);
        assertThatThrownBy(() -> MediaFile.kind(Path.of("x.avi"))).hasMessageContaining(".mp4");
    }

    private Path one() throws IOException {
        Path file = directory.resolve("one.png");
        MediaFile.write(List.of(plain(1, 7, 7, 7)), 1, file);
        return file;
    }

    private void assertRefused(Path file, String sentence) {
        assertThatThrownBy(() -> MediaFile.frames(file, 16, 1))
                .isInstanceOf(DataException.class)
                .hasMessageContaining(file.toString())
                .hasMessageContaining(sentence);
    }

    @Test
    void damagedPicturesAreFramesOrSentences() throws Exception {
        fuzz(List.of("noise.png", "noise.jpg", "cmyk.jpg", "noise.webp", "noise.gif"), 300);
    }

    @Test
    @Tag("slow")
    void tenThousandDamagedFilesAreFramesOrSentences() throws Exception {
        List<String> names = new ArrayList<>(List.of("noise.png", "noise.jpg", "cmyk.jpg"));
        names.addAll(List.of("noise.webp", "noise.gif", "palette.png", "orientation-6.jpg"));
        fuzz(names, 10_000);
        for (String name : List.of("f.mp4", "f.gif")) {
            Path video = video(name, 12);
            byte[] whole = Files.readAllBytes(video);
            for (int seed = 0; seed < 200; seed++) {
                readDamaged(whole, seed, directory.resolve("damaged"));
            }
        }
    }

    private void fuzz(List<String> names, int times) throws Exception {
        for (int seed = 0; seed < times; seed++) {
            String name = names.get(seed % names.size());
            byte[] damaged = damaged(Files.readAllBytes(MEDIA.resolve(name)), seed);
            try {
                Picture picture = PictureFile.read(damaged, name);
                if (picture != null) {
                    assertThat(picture.fitted(16).rgb()).hasSize(3 * 16 * 16);
                }
            } catch (DataException e) {
                assertThat(e).hasMessageContaining(name);
            }
        }
    }

    private static void readDamaged(byte[] whole, int seed, Path file) throws IOException {
        Files.write(file, damaged(whole, seed));
        try {
            assertThat(MediaFile.frames(file, 32, 4)).hasSizeBetween(1, 4);
        } catch (DataException e) {
            assertThat(e).hasMessageContaining("damaged");
        }
    }

    /** Some bytes are others, and perhaps the end is missing. */
    private static byte[] damaged(byte[] whole, int seed) {
        Random random = new Random(seed);
        byte[] damaged = whole.clone();
        for (int i = random.nextInt(12); i >= 0; i--) {
            damaged[random.nextInt(damaged.length)] = (byte) random.nextInt();
        }
        return random.nextInt(3) == 0
                ? Arrays.copyOf(damaged, random.nextInt(damaged.length))
                : damaged;
    }

    @Test
    void theClipIsRead() throws Exception {
        Path clip = Path.of("../../shared/data/video/big-buck-bunny-480p-30sec.mp4");
        assumeTrue(Files.exists(clip), clip + " is not here");
        assertThat(MediaFile.frames(clip, 32, 8)).hasSize(8);
    }
}
