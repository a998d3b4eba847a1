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
import org.ringworld.model.evaluation.SuiteScores;

/** The picture of a suite: a field for each task and length, the darker the better. */
final class SuiteChart {
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

    private SuiteChart() {}

    static void draw(Path file, String suite, SuiteScores scores) throws IOException {
        List<String> tasks = scores.tasks().reversed();
        List<Number[]> fields = new ArrayList<>();
        for (int x = 0; x < scores.lengths().size(); x++) {
            for (int y = 0; y < tasks.size(); y++) {
                double score = scores.score(tasks.get(y), scores.lengths().get(x));
                fields.add(new Number[] {x, y, 100 * score});
            }
        }
        HeatMapChart chart =
                new HeatMapChartBuilder()
                        .width(1000)
                        .height(FRAME + FIELD_HEIGHT * tasks.size())
                        .title(suite + ": score, %")
                        .xAxisTitle("context length")
                        .build();
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        chart.getStyler().setRangeColors(COLORS).setMin(0).setMax(100).setShowValue(true);
        chart.getStyler().setHeatMapValueDecimalPattern("0.0");
        // So that every task and length has its name.
        chart.getStyler().setXAxisTickMarkSpacingHint(20).setYAxisTickMarkSpacingHint(20);
        List<String> lengths = scores.lengths().stream().map(String::valueOf).toList();
        chart.addSeries(suite, lengths, tasks, fields);
        ImageIO.write(BitmapEncoder.getBufferedImage(chart), "png", file.toFile());
    }
}
