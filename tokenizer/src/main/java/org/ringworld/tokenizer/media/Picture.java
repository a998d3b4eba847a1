package org.ringworld.tokenizer.media;

import java.awt.image.BufferedImage;
import java.awt.image.Raster;

/**
 * A picture, or a frame of a video.
 *
 * @param rgb red, green and blue of each pixel: [height, width, 3], 0 to 255
 */
public record Picture(int width, int height, byte[] rgb) {
    private static final float HALF = 127.5f;
    private static final int WHITE = 255;

    public Picture {
        if (width < 1 || height < 1 || rgb.length != 3L * width * height) {
            throw new IllegalArgumentException(
                    "%d bytes are no picture of %d × %d".formatted(rgb.length, width, height));
        }
    }

    /** Of whatever colours; what is seen through is white behind. */
    static Picture of(BufferedImage image) {
        int width = image.getWidth();
        int height = image.getHeight();
        byte[] rgb = new byte[Math.multiplyExact(3, Math.multiplyExact(width, height))];
        boolean grey = image.getColorModel().getNumColorComponents() == 1 && !isPalette(image);
        int[] line = new int[width];
        for (int y = 0, at = 0; y < height; y++) {
            if (grey) {
                greys(image, y, line);
            } else {
                image.getRGB(0, y, width, 1, line, 0, width);
            }
            for (int color : line) {
                int alpha = color >>> 24;
                for (int shift = 16; shift >= 0; shift -= 8) {
                    int value = color >> shift & 0xff;
                    rgb[at++] = (byte) ((value * alpha + WHITE * (255 - alpha) + 127) / 255);
                }
            }
        }
        return new Picture(width, height, rgb);
    }

    private static boolean isPalette(BufferedImage image) {
        return image.getColorModel() instanceof java.awt.image.IndexColorModel;
    }

    /** As they are: Java takes greys for linear light and would make them brighter. */
    private static void greys(BufferedImage image, int y, int[] line) {
        Raster raster = image.getRaster();
        int bits = image.getColorModel().getComponentSize(0);
        int most = (1 << bits) - 1;
        boolean hasAlpha = image.getColorModel().hasAlpha();
        for (int x = 0; x < line.length; x++) {
            int value = (raster.getSample(x, y, 0) * 255 + most / 2) / most;
            int alpha = hasAlpha ? (raster.getSample(x, y, 1) * 255 + most / 2) / most : 255;
            line[x] = alpha << 24 | value * 0x10101;
        }
    }

    BufferedImage image() {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        int[] line = new int[width];
        for (int y = 0, at = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                line[x] = (rgb[at++] & 0xff) << 16 | (rgb[at++] & 0xff) << 8 | rgb[at++] & 0xff;
            }
            image.setRGB(0, y, width, 1, line, 0, width);
        }
        return image;
    }

    /**
     * As LWM makes a frame of it (lwm/vision_chat.py): the smaller side so long, and the middle of
     * the other.
     */
    public Picture fitted(int side) {
        boolean tall = width < height;
        long w = tall ? side : (long) side * width / height;
        long h = tall ? (long) side * height / width : side;
        // Python rounds halves to even.
        long left = (long) Math.rint((w - side) / 2.0);
        long top = (long) Math.rint((h - side) / 2.0);
        return w == width && h == height
                ? cut((int) left, (int) top, side)
                : Resampling.bicubic(this, w, h, left, top, side);
    }

    private Picture cut(int left, int top, int side) {
        if (width == side && height == side) {
            return this;
        }
        byte[] part = new byte[3 * side * side];
        for (int y = 0; y < side; y++) {
            int from = 3 * ((top + y) * width + left);
            System.arraycopy(rgb, from, part, 3 * y * side, 3 * side);
        }
        return new Picture(side, side, part);
    }

    /** Values in [-1, 1]: [height, width, 3]. */
    public float[] values() {
        float[] values = new float[rgb.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = (rgb[i] & 0xff) / HALF - 1;
        }
        return values;
    }

    /** Of values in [-1, 1], a square picture. */
    public static Picture of(float[] values) {
        int side = (int) Math.round(Math.sqrt(values.length / 3.0));
        byte[] rgb = new byte[values.length];
        for (int i = 0; i < rgb.length; i++) {
            rgb[i] = (byte) Math.clamp(Math.round((values[i] + 1) * HALF), 0, 255);
        }
        return new Picture(side, side, rgb);
    }
}
