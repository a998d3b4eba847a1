package org.ringworld.cli.eval;

import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageIO;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.HeatMapChart;
import org.knowm.xchart.HeatMapChartBuilder;

/** A picture with a field for each row and context length, the darker the better. */
final class HeatMap {
    /** From none to all right: pale, so that numbers can be read on them (ColorBrewer, YlGnBu). */
    private static final Color[] COLORS = {
        new Color(0xffffd9),
        new Color(0xedf8b1),
        new Color(0xc7e9b4),
        new Color(0x7fcdbb),
        new Color(0x41b6c4)
    };

    private static final int FIELD_HEIGHT = 36;
    private static final int FRAME = 160;

    private HeatMap() {}

    /** A field's percent, by the indices of its length and row; NaN: it stays empty. */
    @FunctionalInterface
    interface Percent {
        double of(int length, int row);
    }

    /**
     * @param rows names, from below
     */
    static void draw(
            Path file, String title, List<Integer> lengths, List<String> rows, Percent percent)
            throws IOException {
        List<Number[]> fields = new ArrayList<>();
        for (int x = 0; x < lengths.size(); x++) {
            for (int y = 0; y < rows.size(); y++) {
                double value = percent.of(x, y);
                if (!Double.isNaN(value)) {
                    fields.add(new Number[] {x, y, value});
                }
            }
        }
        HeatMapChart chart =
                new HeatMapChartBuilder()
                        .width(1000)
                        .height(FRAME + FIELD_HEIGHT * rows.size())
                        .title(title)
                        .xAxisTitle("context length")
                        .build();
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        chart.getStyler().setRangeColors(COLORS).setMin(0).setMax(100).setShowValue(true);
        chart.getStyler().setHeatMapValueDecimalPattern("0.0");
        // So that every row and length has its name.
        chart.getStyler().setXAxisTickMarkSpacingHint(20).setYAxisTickMarkSpacingHint(20);
        chart.addSeries(title, lengths.stream().map(String::valueOf).toList(), rows, fields);
        ImageIO.write(BitmapEncoder.getBufferedImage(chart), "png", file.toFile());
    }
}
