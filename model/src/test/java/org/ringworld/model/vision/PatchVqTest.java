package org.ringworld.model.vision;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.cpu.CpuDevice;

class PatchVqTest {
    private final Device device = new CpuDevice(2);

    @TempDir private Path tmp;

    @AfterEach
    void close() {
        device.close();
    }

    /** An image of flat patches, each of one of so many greys. */
    private static float[] image(int greys, long seed) {
        Random random = new Random(seed);
        float[][] grid = new float[16][16];
        for (float[] row : grid) {
            for (int i = 0; i < 16; i++) {
                row[i] = 2f * random.nextInt(greys) / greys - 1;
            }
        }
        float[] image = new float[256 * 256 * 3];
        for (int i = 0; i < image.length; i++) {
            int pixel = i / 3;
            image[i] = grid[pixel / 256 / 16][pixel % 256 / 16];
        }
        return image;
    }

    @Test
    void patchesOfAsManyKindsAsThereAreCodesComeBackExactly() {
        float[] image = image(5, 1);
        // Many more codes than kinds at first, so that means without patches are there too.
        try (PatchVq tokenizer = PatchVq.train(device, Stream.of(image, image(5, 2)), 64, 7)) {
            int[] codes = tokenizer.encode(image);
            assertThat(codes).hasSize(256);
            assertThat(Arrays.stream(codes).distinct().count()).isEqualTo(5);
            float[] back = tokenizer.decode(codes);
            for (int i = 0; i < back.length; i++) {
                assertThat(Math.abs(back[i] - image[i])).isLessThan(1e-5f);
            }
        }
    }

    @Test
    void moreCodesAreNearerAndTheSeedDecidesAlone() {
        float[] noise = new float[2 * 256 * 256 * 3];
        Random random = new Random(3);
        for (int i = 0; i < noise.length; i++) {
            noise[i] = (float) Math.tanh(random.nextGaussian());
        }
        float[] first = Arrays.copyOf(noise, noise.length / 2);
        Stream<float[]> again = Stream.of(first.clone());
        try (PatchVq few = PatchVq.train(device, Stream.of(first), 4, 1);
                PatchVq same = PatchVq.train(device, again, 4, 1);
                PatchVq many = PatchVq.train(device, Stream.of(first), 0, 1)) {
            assertThat(many.vocabSize()).isEqualTo(64);
            assertThat(error(many, first)).isLessThan(error(few, first));
            assertThat(same.encode(noise)).isEqualTo(few.encode(noise));
            assertThat(same.decode(new int[256])).isEqualTo(few.decode(new int[256]));
        }
    }

    private static double error(PatchVq tokenizer, float[] image) {
        float[] back = tokenizer.decode(tokenizer.encode(image));
        double sum = 0;
        for (int i = 0; i < image.length; i++) {
            sum += Math.pow(back[i] - image[i], 2);
        }
        return sum;
    }

    @Test
    void itIsReadAsItWasWrittenAndOtherSizesAreRefused() throws Exception {
        float[] image = image(9, 4);
        Path directory = tmp.resolve("patches");
        try (PatchVq tokenizer = PatchVq.train(device, Stream.of(image), 12, 0)) {
            tokenizer.write(directory);
            try (ImageTokenizer read = ImageTokenizer.open(directory, device, DType.F32)) {
                assertThat(read.vocabSize()).isEqualTo(12);
                assertThat(read.encode(image)).isEqualTo(tokenizer.encode(image));
            }
            assertThatThrownBy(() -> tokenizer.decode(new int[] {12}))
                    .isInstanceOf(IndexOutOfBoundsException.class);
        }
        Path json = directory.resolve("config.json");
        Files.writeString(json, Files.readString(json).replace("256", "128"));
        assertThatThrownBy(() -> ImageTokenizer.open(directory, device, DType.F32))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("not 256 and 16");
        assertThatThrownBy(() -> PatchVq.train(device, Stream.of(image), 257, 0))
                .hasMessage("257 codes of 256 patches: give more images or fewer codes");
    }
}
