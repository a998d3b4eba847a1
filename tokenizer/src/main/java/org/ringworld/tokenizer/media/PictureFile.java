package org.ringworld.tokenizer.media;

import com.twelvemonkeys.imageio.metadata.CompoundDirectory;
import com.twelvemonkeys.imageio.metadata.Entry;
import com.twelvemonkeys.imageio.metadata.jpeg.JPEG;
import com.twelvemonkeys.imageio.metadata.jpeg.JPEGSegment;
import com.twelvemonkeys.imageio.metadata.jpeg.JPEGSegmentUtil;
import com.twelvemonkeys.imageio.metadata.tiff.TIFF;
import com.twelvemonkeys.imageio.metadata.tiff.TIFFReader;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import org.ringworld.tokenizer.DataException;

/** A picture as a file: png, jpg, gif, webp, bmp in, by what it is and not by its name. */
public final class PictureFile {
    /** Pixels at most, known before a picture is unpacked. */
    private static final long MOST_PIXELS = 1L << 26;

    private static final int MOST_BYTES = 1 << 28;

    static {
        // Pictures are small, and temporary files are not always welcome.
        ImageIO.setUseCache(false);
    }

    private PictureFile() {}

    /**
     * Reads a file.
     *
     * @return null where it is no picture
     * @throws DataException where it is one that is damaged or too large
     */
    static Picture read(Path file) throws DataException {
        try {
            if (Files.size(file) > MOST_BYTES) {
                return null;
            }
            return read(Files.readAllBytes(file), file.toString());
        } catch (DataException e) {
            throw e;
        } catch (IOException e) {
            throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
        }
    }

    /**
     * Reads what was a file, upright as its camera says.
     *
     * @param name for errors
     * @return null where it is no picture
     * @throws DataException where it is one that is damaged or too large
     */
    public static Picture read(byte[] bytes, String name) throws DataException {
        try (ImageInputStream in =
                ImageIO.createImageInputStream(new ByteArrayInputStream(bytes))) {
            Iterator<ImageReader> readers = ImageIO.getImageReaders(in);
            if (!readers.hasNext()) {
                return null;
            }
            ImageReader reader = readers.next();
            try {
                reader.setInput(in);
                check(reader, name);
                return upright(Picture.of(reader.read(0)), orientation(bytes));
            } finally {
                reader.dispose();
            }
        } catch (DataException e) {
            throw e;
        } catch (IOException
                | RuntimeException e) { // the JDK's readers throw any of a damaged file
            throw new DataException(
                    "%s: is a damaged picture, or of a kind that is not read (%s)"
                            .formatted(name, e.getMessage()),
                    e);
        }
    }

    private static void check(ImageReader reader, String name) throws IOException {
        long width = reader.getWidth(0);
        long height = reader.getHeight(0);
        if (width < 1 || height < 1 || width * height > MOST_PIXELS) {
            throw new DataException(
                    "%s: %d × %d pixels; pictures of up to %d are taken"
                            .formatted(name, width, height, MOST_PIXELS));
        }
    }

    /** Whether a gif has more pictures than one. */
    static boolean moves(Path file) {
        try (ImageInputStream in = ImageIO.createImageInputStream(file.toFile())) {
            Iterator<ImageReader> readers =
                    in == null ? List.<ImageReader>of().iterator() : ImageIO.getImageReaders(in);
            if (!readers.hasNext()) {
                return false;
            }
            ImageReader reader = readers.next();
            reader.setInput(in);
            boolean isGif = reader.getFormatName().equalsIgnoreCase("gif");
            boolean moves = isGif && reader.getNumImages(true) > 1;
            reader.dispose();
            return moves;
        } catch (IOException | RuntimeException e) {
            return false;
        }
    }

    /** EXIF's, 1 to 8 (TIFF 6.0, tag 274); 1 where none is said. */
    private static int orientation(byte[] bytes) {
        boolean isJpeg = bytes.length > 2 && (bytes[0] & 0xff) == 0xff && (bytes[1] & 0xff) == 0xd8;
        if (!isJpeg) {
            return 1;
        }
        try (ImageInputStream in =
                ImageIO.createImageInputStream(new ByteArrayInputStream(bytes))) {
            for (JPEGSegment segment : JPEGSegmentUtil.readSegments(in, JPEG.APP1, "Exif")) {
                byte[] exif = segment.data().readAllBytes();
                // Behind a byte of padding.
                ImageInputStream tiff =
                        ImageIO.createImageInputStream(
                                new ByteArrayInputStream(exif, 1, exif.length - 1));
                CompoundDirectory all = (CompoundDirectory) new TIFFReader().read(tiff);
                Entry entry = all.getEntryById(TIFF.TAG_ORIENTATION);
                if (entry != null && entry.getValue() instanceof Number number) {
                    int said = number.intValue();
                    return said >= 1 && said <= 8 ? said : 1;
                }
            }
        } catch (IOException | RuntimeException e) {
            // A picture whose camera says nothing that can be read is shown as it lies.
        }
        return 1;
    }

    /** Turned and mirrored so that it stands upright. */
    private static Picture upright(Picture picture, int orientation) {
        if (orientation == 1) {
            return picture;
        }
        boolean swaps = orientation >= 5;
        int width = swaps ? picture.height() : picture.width();
        int height = swaps ? picture.width() : picture.height();
        byte[] rgb = new byte[picture.rgb().length];
        for (int y = 0, at = 0; y < height; y++) {
            for (int x = 0; x < width; x++, at += 3) {
                int i = swaps ? y : x;
                int j = swaps ? x : y;
                boolean flipsX =
                        orientation == 2
                                || orientation == 3
                                || orientation == 7
                                || orientation == 8;
                boolean flipsY =
                        orientation == 3
                                || orientation == 4
                                || orientation == 6
                                || orientation == 7;
                int fromX = flipsX ? picture.width() - 1 - i : i;
                int fromY = flipsY ? picture.height() - 1 - j : j;
                System.arraycopy(picture.rgb(), 3 * (fromY * picture.width() + fromX), rgb, at, 3);
            }
        }
        return new Picture(width, height, rgb);
    }

    /** A png. */
    static void writePng(Picture picture, Path file) throws IOException {
        BufferedImage image = picture.image();
        if (!ImageIO.write(image, "png", file.toFile())) {
            throw new IOException(file + ": no writer of png is there");
        }
    }
}
