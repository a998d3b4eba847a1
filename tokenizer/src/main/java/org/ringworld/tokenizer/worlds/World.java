package org.ringworld.tokenizer.worlds;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.ringworld.tokenizer.media.Picture;

/** Things in the cells of a grid, at one time; drawn on white. */
public record World(List<Thing> things) {
    /** Cells along a side. */
    public static final int CELLS = 4;

    /** Pixels along a side of a picture. */
    public static final int SIDE = 256;

    /** The order of colours, then of shapes. */
    static final Comparator<Thing> BY_KIND =
            Comparator.comparing(Thing::hue).thenComparing(Thing::figure);

    private static final int CELL = SIDE / CELLS;

    /** Half the size of a thing. */
    private static final double RADIUS = 0.4 * CELL;

    /** A shape is told where it covers so much of what another does or both do. */
    private static final double ALIKE = 0.6;

    private static final int WHITE = 255;

    /** Colours that are nearer to white than this, squared and summed, are the ground. */
    private static final int NEAR = 3 * 60 * 60;

    public World {
        things = List.copyOf(things);
    }

    /**
     * Whether training never shows just these things together, wherever they lie: a fifth of all
     * worlds, which are for tests. Each thing is among others that training shows: the codes of one
     * that it never saw would say nothing to a model.
     */
    public boolean isHeldOut() {
        int sum = 0;
        for (Thing thing : things) {
            sum += thing.hue().ordinal() * Thing.Figure.values().length + thing.figure().ordinal();
        }
        return sum % 5 == 0;
    }

    /** What it looks like. */
    public Picture draw() {
        byte[] rgb = new byte[3 * SIDE * SIDE];
        Arrays.fill(rgb, (byte) WHITE);
        for (Thing thing : things) {
            for (int y = 0; y < CELL; y++) {
                for (int x = 0; x < CELL; x++) {
                    if (covers(thing.figure(), x, y)) {
                        int at = pixel(thing.column(), thing.row(), x, y);
                        rgb[at] = (byte) (thing.hue().rgb >> 16);
                        rgb[at + 1] = (byte) (thing.hue().rgb >> 8);
                        rgb[at + 2] = (byte) thing.hue().rgb;
                    }
                }
            }
        }
        return new Picture(SIDE, SIDE, rgb);
    }

    private static boolean covers(Thing.Figure figure, int x, int y) {
        double middle = (CELL - 1) / 2.0;
        return figure.covers((x - middle) / RADIUS, (y - middle) / RADIUS);
    }

    private static int pixel(int column, int row, int x, int y) {
        return 3 * ((row * CELL + y) * SIDE + column * CELL + x);
    }

    /**
     * The world that a picture shows, as far as it shows one: in each cell the shape that covers
     * its pixels best, in the colour that they have on the whole.
     */
    public static World of(Picture picture) {
        if (picture.width() != SIDE || picture.height() != SIDE) {
            throw new IllegalArgumentException("a world has %d pixels a side".formatted(SIDE));
        }
        List<Thing> things = new ArrayList<>();
        for (int row = 0; row < CELLS; row++) {
            for (int column = 0; column < CELLS; column++) {
                Thing thing = thing(picture.rgb(), column, row);
                if (thing != null) {
                    things.add(thing);
                }
            }
        }
        return new World(things);
    }

    private static Thing thing(byte[] rgb, int column, int row) {
        Map<Thing.Figure, int[]> counts = new EnumMap<>(Thing.Figure.class);
        for (Thing.Figure figure : Thing.Figure.values()) {
            counts.put(figure, new int[2]); // pixels of both, of either
        }
        long[] sum = new long[3];
        int marked = 0;
        for (int y = 0; y < CELL; y++) {
            for (int x = 0; x < CELL; x++) {
                int at = pixel(column, row, x, y);
                boolean marks = distance(rgb, at, 0xffffff) > NEAR;
                for (int c = 0; c < 3 && marks; c++) {
                    sum[c] += rgb[at + c] & 0xff;
                }
                marked += marks ? 1 : 0;
                for (Map.Entry<Thing.Figure, int[]> one : counts.entrySet()) {
                    boolean covers = covers(one.getKey(), x, y);
                    one.getValue()[0] += covers && marks ? 1 : 0;
                    one.getValue()[1] += covers || marks ? 1 : 0;
                }
            }
        }
        TreeMap<Double, Thing.Figure> alike = new TreeMap<>();
        counts.forEach((figure, n) -> alike.put((double) n[0] / n[1], figure));
        if (marked == 0 || alike.lastKey() < ALIKE) {
            return null;
        }
        byte[] mean = new byte[3];
        for (int c = 0; c < 3; c++) {
            mean[c] = (byte) (sum[c] / marked);
        }
        Thing.Hue nearest = Thing.Hue.RED;
        for (Thing.Hue hue : Thing.Hue.values()) {
            nearest = distance(mean, 0, hue.rgb) < distance(mean, 0, nearest.rgb) ? hue : nearest;
        }
        return new Thing(nearest, alike.lastEntry().getValue(), column, row);
    }

    private static int distance(byte[] rgb, int at, int color) {
        int sum = 0;
        for (int c = 0; c < 3; c++) {
            int off = (rgb[at + c] & 0xff) - (color >> 16 - 8 * c & 0xff);
            sum += off * off;
        }
        return sum;
    }
}
