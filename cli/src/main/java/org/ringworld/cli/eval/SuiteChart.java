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

/** The picture of a suite: a field for each task and length, the brighter the better. */
final class SuiteChart {
    /** From none to all right, of even steps to the eye and to the colour-blind (viridis). */
    private static final Color[] COLORS = {
        new Color(0x440154),
        new Color(0x3b528b),
        new Color(0x21918c),
        new Color(0x5ec962),
        new Color(0xfde725)
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
        chart.getStyler().setValueFontColor(Color.GRAY);
        chart.addSeries(suite, scores.lengths(), tasks, fields);
        ImageIO.write(BitmapEncoder.getBufferedImage(chart), "png", file.toFile());
    }
}
