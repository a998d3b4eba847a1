package org.ringworld.cli.vision;

import java.awt.Graphics2D;
import java.awt.Image;
import java.awt.color.ColorSpace;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.stream.LongStream;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.Json;
import org.ringworld.checkpoints.StridedTensor;
import org.ringworld.checkpoints.files.AtomicFiles;
import org.ringworld.checkpoints.safetensors.SafeTensors;
import org.ringworld.checkpoints.safetensors.SafeTensorsWriter;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.runtime.DType;

/**
 * Frames of a file, each [resolution, resolution, 3] in [-1, 1]: a png or jpg picture, scaled and
 * cropped as LWM does (smaller side, centre), or a safetensors file's {@code image} [frames,
 * resolution, resolution, 3], which is mapped and read frame by frame.
 */
final class ImageFile implements AutoCloseable {
    /** Pixels of a picture at most, known before it is unpacked. */
    private static final long MOST_PIXELS = 1L << 26;

    private static final String IMAGE = "image";

    private final SafeTensors stored;
    private final float[] picture;
    private final int resolution;

    private ImageFile(SafeTensors stored, float[] picture, int resolution) {
        this.stored = stored;
        this.picture = picture;
        this.resolution = resolution;
    }

    /**
     * Opens a file.
     *
     * @throws CheckpointException where it is of no known kind, damaged, too large, or holds frames
     *     of another size
     */
    static ImageFile open(Path file, int resolution) throws CheckpointException {
        if (!file.toString().endsWith(".safetensors")) {
            return new ImageFile(null, fitted(read(file), resolution), resolution);
        }
        SafeTensors stored = SafeTensors.open(file);
        try {
            StridedTensor image = stored.tensor(IMAGE);
            long[] shape = image.shape();
            long[] frame = {resolution, resolution, 3};
            boolean fits =
                    shape.length == 4
                            && Arrays.equals(Arrays.copyOfRange(shape, 1, 4), frame)
                            && image.type().isValue();
            if (!fits) {
                throw new CheckpointException(
                        "%s: image is %s %s where floats [frames, %d, %d, 3] are needed"
                                .formatted(
                                        file,
                                        image.type(),
                                        Arrays.toString(shape),
                                        resolution,
                                        resolution));
            }
            return new ImageFile(stored, null, resolution);
        } catch (CheckpointException e) {
            stored.close();
            throw e;
        }
    }

    /** How many frames there are. */
    long count() throws CheckpointException {
        return stored == null ? 1 : stored.info(IMAGE).shape()[0];
    }

    /** All frames, each read when it is its turn. */
    Iterator<float[]> frames() throws CheckpointException {
        if (stored == null) {
            return List.of(picture).iterator();
        }
        StridedTensor image = stored.tensor(IMAGE);
        MemorySegment data = stored.data(IMAGE);
        long bytes = data.byteSize() / Math.max(1, count());
        return LongStream.range(0, count())
                .mapToObj(
                        i -> {
                            float[] frame = new float[3 * resolution * resolution];
                            StridedTensor.contiguous(
                                            image.type(),
                                            data.asSlice(i * bytes, bytes),
                                            new long[] {frame.length})
                                    .read(DType.F32, MemorySegment.ofArray(frame));
                            return frame;
                        })
                .iterator();
    }

    private static BufferedImage read(Path file) throws CheckpointException {
        try (ImageInputStream in = ImageIO.createImageInputStream(file.toFile())) {
            Iterator<ImageReader> readers =
                    in == null ? List.<ImageReader>of().iterator() : ImageIO.getImageReaders(in);
            if (!Files.exists(file) || !readers.hasNext()) {
                throw new CheckpointException(
                        file
                                + (Files.exists(file)
                                        ? ": is no picture that can be read: give a png, a jpg or a safetensors file"
                                        : ": there is no such file"));
            }
            ImageReader reader = readers.next();
            reader.setInput(in);
            long pixels = (long) reader.getWidth(0) * reader.getHeight(0);
            if (pixels > MOST_PIXELS) {
                throw new CheckpointException(
                        "%s: %d × %d pixels are more than the %d that are taken"
                                .formatted(
                                        file,
                                        reader.getWidth(0),
                                        reader.getHeight(0),
                                        MOST_PIXELS));
            }
            return reader.read(0);
        } catch (CheckpointException e) {
            throw e;
        } catch (IOException e) {
            throw new CheckpointException(file + ": cannot be read: " + Json.reason(e), e);
        } catch (RuntimeException e) { // of a damaged file, in the JDK's readers
            throw new CheckpointException(file + ": is damaged: " + e.getMessage(), e);
        }
    }

    /** The middle of a picture whose smaller side is made so long. */
    private static float[] fitted(BufferedImage picture, int resolution) {
        BufferedImage image = colors(picture);
        int least = Math.min(image.getWidth(), image.getHeight());
        if (least != resolution) {
            int width = (int) ((long) image.getWidth() * resolution / least);
            int height = (int) ((long) image.getHeight() * resolution / least);
            BufferedImage scaled = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
            Graphics2D to = scaled.createGraphics();
            to.drawImage(image.getScaledInstance(width, height, Image.SCALE_SMOOTH), 0, 0, null);
            to.dispose();
            image = scaled;
        }
        int left = (image.getWidth() - resolution) / 2;
        int top = (image.getHeight() - resolution) / 2;
        int[] pixels = image.getRGB(left, top, resolution, resolution, null, 0, resolution);
        float[] values = new float[3 * pixels.length];
        for (int i = 0; i < values.length; i++) {
            int color = pixels[i / 3] >> 16 - 8 * (i % 3) & 0xff;
            values[i] = color / 127.5f - 1;
        }
        return values;
    }

    /** Red, green and blue; the JDK takes grey for linear light and would make it brighter. */
    private static BufferedImage colors(BufferedImage picture) {
        boolean grey =
                picture.getColorModel().getColorSpace().getType() == ColorSpace.TYPE_GRAY
                        && picture.getColorModel().getComponentSize(0) == 8;
        int width = picture.getWidth();
        int height = picture.getHeight();
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                int value =
                        grey
                                ? picture.getRaster().getSample(x, y, 0) * 0x10101
                                : picture.getRGB(x, y);
                image.setRGB(x, y, value);
            }
        }
        return image;
    }

    /**
     * @throws UsageException where a name is that of no png
     */
    static void checkPng(Path file) {
        if (!file.toString().endsWith(".png")) {
            throw new UsageException(file + ": only .png can be written");
        }
    }

    /** Writes frames side by side as a png, as many in a row as in a column. */
    static void writePng(Path file, List<float[]> frames, int resolution)
            throws CheckpointException {
        int columns = (int) Math.ceil(Math.sqrt(frames.size()));
        int rows = Math.ceilDiv(frames.size(), columns);
        var sheet =
                new BufferedImage(
                        columns * resolution, rows * resolution, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < frames.size(); i++) {
            int left = i % columns * resolution;
            int top = i / columns * resolution;
            sheet.setRGB(left, top, resolution, resolution, pixels(frames.get(i)), 0, resolution);
        }
        Path temporary = AtomicFiles.temporary(file);
        try {
            ImageIO.write(sheet, "png", temporary.toFile());
            AtomicFiles.rename(temporary, file);
        } catch (IOException e) {
            throw SafeTensorsWriter.cannotWrite(file, e);
        }
    }

    private static int[] pixels(float[] frame) {
        int[] pixels = new int[frame.length / 3];
        for (int i = 0; i < frame.length; i++) {
            int color = Math.clamp(Math.round((frame[i] + 1) * 127.5f), 0, 255);
            pixels[i / 3] |= color << 16 - 8 * (i % 3);
        }
        return pixels;
    }

    /** Whether a file's name says that it is a picture or frames. */
    static boolean isNamedSo(Path file) {
        String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
        return name.matches(".*\\.(png|jpe?g|safetensors)");
    }

    @Override
    public void close() {
        if (stored != null) {
            stored.close();
        }
    }
}
