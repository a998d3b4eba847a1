package org.ringworld.tokenizer.worlds;

import java.util.Locale;

/**
 * A coloured shape in a cell of a world.
 *
 * @param column of the cell, from the left
 * @param row of the cell, from the top
 */
public record Thing(Hue hue, Figure figure, int column, int row) {
    /** What colour it has. */
    public enum Hue {
        RED(0xe02020),
        GREEN(0x20a030),
        BLUE(0x2040e0),
        YELLOW(0xf0d020),
        ORANGE(0xf08020),
        PURPLE(0x9030b0),
        BROWN(0x805030),
        BLACK(0x101010);

        final int rgb;

        Hue(int rgb) {
            this.rgb = rgb;
        }

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** What shape it has. */
    public enum Figure {
        CIRCLE,
        SQUARE,
        TRIANGLE,
        CROSS;

        /**
         * Whether a pixel is of it.
         *
         * @param x from its middle to the right, in half of its size
         * @param y from its middle down, likewise
         */
        boolean covers(double x, double y) {
            return Math.abs(x) <= 1
                    && Math.abs(y) <= 1
                    && switch (this) {
                        case CIRCLE -> x * x + y * y <= 1;
                        case SQUARE -> true;
                        case TRIANGLE -> Math.abs(x) <= (1 + y) / 2;
                        case CROSS -> Math.abs(x) <= 0.34 || Math.abs(y) <= 0.34;
                    };
        }

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** {@code red circle}. */
    public String name() {
        return hue + " " + figure;
    }

    Thing at(int otherColumn, int otherRow) {
        return new Thing(hue, figure, otherColumn, otherRow);
    }
}
