package org.ringworld.tokenizer.media;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.documents.VisionCodes;

/** A picture or a video as a file, by what it is. */
public final class MediaFile {
    private static final List<String> KINDS = List.of("png", "mp4", "gif");

    private MediaFile() {}

    /**
     * Frames of a file, square and of one size, as LWM takes them: a picture's one, and of a video
     * at most so many at even distances, the first and the last among them.
     *
     * @param most of a video
     * @throws DataException where it cannot be read
     */
    public static List<Picture> frames(Path file, int side, int most) throws DataException {
        Picture picture = picture(file);
        if (picture != null) {
            return List.of(picture.fitted(side));
        }
        long said = VideoFile.frames(file);
        List<Picture> frames = new ArrayList<>();
        long count = pick(file, side, VisionCodes.picked(said, most), frames);
        if (count < said && frames.size() < Math.min(most, count)) {
            // Its header, or its end, is wrong: by as many as there are.
            frames.clear();
            pick(file, side, VisionCodes.picked(count, most), frames);
        }
        return frames;
    }

    /**
     * All frames of a video at so many a second, as they are read; of a picture the one.
     *
     * @param fps 0: all there are
     */
    public static PictureStream stream(Path file, int side, double fps) throws DataException {
        Picture picture = picture(file);
        if (picture != null) {
            return new PictureStream.One(picture.fitted(side));
        }
        VideoFile.frames(file);
        VideoFile.Frames frames = VideoFile.open(file, side, fps);
        frames.requireAny();
        return frames;
    }

    /** Null: it is none, but may be a video. */
    private static Picture picture(Path file) throws DataException {
        if (!Files.isRegularFile(file)) {
            boolean is = Files.isDirectory(file);
            throw new DataException(file + (is ? ": is a directory" : ": there is no such file"));
        }
        try {
            if (Files.size(file) == 0) {
                throw new DataException(file + ": is empty");
            }
        } catch (IOException e) {
            throw e instanceof DataException known
                    ? known
                    : new DataException(file + ": cannot be read: " + e.getMessage(), e);
        }
        return PictureFile.moves(file) ? null : PictureFile.read(file);
    }

    /**
     * Adds those of some indices.
     *
     * @return how many frames there are, as far as it was read
     */
    private static long pick(Path file, int side, long[] indices, List<Picture> to)
            throws DataException {
        try (VideoFile.Frames frames = VideoFile.open(file, side, 0)) {
            frames.requireAny();
            for (int i = 0; (i < indices.length || indices.length == 0) && frames.hasNext(); ) {
                Picture frame = frames.next();
                if (i < indices.length && frames.read() - 1 == indices[i]) {
                    to.add(frame);
                    i++;
                }
            }
            return frames.read();
        }
    }

    /**
     * Writes frames, all of one size: a png of one, mp4 or gif of several.
     *
     * @param file whose name's end says the kind; what was there stays until all is written
     * @throws IOException where it cannot be written
     */
    public static void write(List<Picture> frames, double fps, Path file) throws IOException {
        String kind = kind(file);
        Path temporary = file.resolveSibling("." + file.getFileName() + ".tmp");
        try {
            if (kind.equals("png")) {
                PictureFile.writePng(frames.getFirst(), temporary);
            } else {
                VideoFile.write(frames.iterator(), fps, temporary, kind);
            }
            Files.move(
                    temporary,
                    file,
                    StandardCopyOption.REPLACE_EXISTING,
                    StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            Files.deleteIfExists(temporary);
            throw new IOException(file + ": cannot be written: " + e.getMessage(), e);
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    /**
     * What a name says that is to be written.
     *
     * @throws IllegalArgumentException where it says nothing that can be
     */
    public static String kind(Path file) {
        String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
        return KINDS.stream()
                .filter(kind -> name.endsWith("." + kind))
                .findFirst()
                .orElseThrow(
                        () ->
                                new IllegalArgumentException(
                                        file + ": its name must end with .png, .mp4 or .gif"));
    }
}
