package org.ringworld.cli.vision;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.stream.LongStream;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.StridedTensor;
import org.ringworld.checkpoints.safetensors.SafeTensors;
import org.ringworld.runtime.DType;
import org.ringworld.tokenizer.media.MediaFile;
import org.ringworld.tokenizer.media.Picture;
import org.ringworld.tokenizer.media.PictureStream;

/**
 * Frames of a file, each [resolution, resolution, 3] in [-1, 1]: a picture or a video, scaled and
 * cropped as LWM does, or a safetensors file's {@code image} [frames, resolution, resolution, 3],
 * which is mapped; read frame by frame.
 */
final class ImageFile implements AutoCloseable {
    private static final String IMAGE = "image";

    private final SafeTensors stored;
    private final PictureStream media;
    private final int resolution;

    private ImageFile(SafeTensors stored, PictureStream media, int resolution) {
        this.stored = stored;
        this.media = media;
        this.resolution = resolution;
    }

    /**
     * Opens a file.
     *
     * @throws CheckpointException where it is of no known kind, damaged, too large, or holds frames
     *     of another size
     * @param fps frames of a video a second; 0: all
     */
    static ImageFile open(Path file, int resolution, double fps) throws IOException {
        if (!file.toString().endsWith(".safetensors")) {
            return new ImageFile(null, MediaFile.stream(file, resolution, fps), resolution);
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

    /** How many frames there are; 0: nobody knows before they are read. */
    long count() throws CheckpointException {
        return stored == null ? 0 : stored.info(IMAGE).shape()[0];
    }

    /** All frames, each read when it is its turn. */
    Iterator<float[]> frames() throws CheckpointException {
        if (stored == null) {
            return new Iterator<>() {
                @Override
                public boolean hasNext() {
                    return media.hasNext();
                }

                @Override
                public float[] next() {
                    return media.next().values();
                }
            };
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

    /** Frames side by side, as many in a row as in a column. */
    static Picture sheet(List<float[]> frames) {
        if (frames.size() == 1) {
            return Picture.of(frames.getFirst());
        }
        int side = Picture.of(frames.getFirst()).width();
        int columns = (int) Math.ceil(Math.sqrt(frames.size()));
        int rows = Math.ceilDiv(frames.size(), columns);
        byte[] rgb = new byte[3 * columns * rows * side * side];
        for (int i = 0; i < frames.size(); i++) {
            byte[] one = Picture.of(frames.get(i)).rgb();
            for (int y = 0; y < side; y++) {
                int line = (i / columns * side + y) * columns * side + i % columns * side;
                System.arraycopy(one, 3 * y * side, rgb, 3 * line, 3 * side);
            }
        }
        return new Picture(columns * side, rows * side, rgb);
    }

    /** Whether a file's name says that it is a picture or frames. */
    static boolean isNamedSo(Path file) {
        String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
        return name.matches(".*\\.(png|jpe?g|gif|webp|mp4|mkv|webm|mov|avi|safetensors)");
    }

    @Override
    public void close() {
        if (stored != null) {
            stored.close();
        }
        if (media != null) {
            media.close();
        }
    }
}
