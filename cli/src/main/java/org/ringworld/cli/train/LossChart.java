package org.ringworld.cli.train;

import java.awt.BasicStroke;
import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import javax.imageio.ImageIO;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.CategorySeries;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.lines.SeriesLines;
import org.knowm.xchart.style.markers.SeriesMarkers;
import org.ringworld.model.training.Curriculum;
import org.ringworld.model.training.Stage;
import org.ringworld.model.training.StepMetrics;
import org.ringworld.model.training.job.Probe;

/** The pictures of a run: loss over tokens with the borders of stages, retrieval by length. */
final class LossChart {
    private static final int POINTS = 400;

    /** Told apart by everybody, and from the borders' grey (Okabe and Ito). */
    private static final Color[] COLORS = {
        new Color(0x0072b2),
        new Color(0xd55e00),
        new Color(0x009e73),
        new Color(0xcc79a7),
        new Color(0xe69f00),
        new Color(0x56b4e9),
        new Color(0x000000)
    };

    private LossChart() {}

    /** Draws loss.png. */
    static void loss(Path file, Curriculum curriculum, List<StepMetrics> steps) throws IOException {
        XYChart chart = chart("Loss", "tokens", "nats per token");
        chart.getStyler()
                .setXAxisTickLabelsFormattingFunction(x -> JobSummary.count(Math.round(x)));
        double top = steps.stream().mapToDouble(StepMetrics::loss).max().orElse(1);
        int width = Math.max(1, steps.size() / POINTS);
        double before = 0;
        int at = 0;
        for (int i = 0; i < curriculum.stages().size() && at < steps.size(); i++) {
            Stage stage = curriculum.stages().get(i);
            List<Double> x = new ArrayList<>();
            List<Double> y = new ArrayList<>();
            double start = before;
            double sum = 0;
            int count = 0;
            while (at < steps.size() && steps.get(at).stage() == i) {
                before += steps.get(at).tokens();
                sum += steps.get(at++).loss();
                boolean last = at == steps.size() || steps.get(at).stage() != i;
                if (++count == width || last) {
                    x.add(before);
                    y.add(sum / count);
                    sum = 0;
                    count = 0;
                }
            }
            if (x.isEmpty()) {
                continue;
            }
            String name = "%d %s %d".formatted(i, stage.name(), stage.seqLen());
            XYSeries line = chart.addSeries(name, x, y);
            line.setMarker(SeriesMarkers.NONE);
            line.setLineColor(COLORS[i % COLORS.length]);
            line.setLineStyle(SeriesLines.SOLID);
            XYSeries border =
                    chart.addSeries("border " + i, List.of(start, start), List.of(0.0, top));
            border.setMarker(SeriesMarkers.NONE);
            border.setLineColor(Color.LIGHT_GRAY);
            border.setLineStyle(new BasicStroke(1));
            border.setShowInLegend(false);
        }
        ImageIO.write(BitmapEncoder.getBufferedImage(chart), "png", file.toFile());
    }

    /** Draws retrieval.png: accuracy by context length, a line for each time it was measured. */
    static void retrieval(
            Path file, Curriculum curriculum, TreeMap<Integer, List<Probe.Result>> evaluated)
            throws IOException {
        CategoryChart chart =
                new CategoryChartBuilder()
                        .width(1000)
                        .height(600)
                        .title("One needle, unseen documents")
                        .xAxisTitle("context length")
                        .yAxisTitle("accuracy")
                        .build();
        chart.getStyler().setLegendPosition(Styler.LegendPosition.OutsideE);
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        chart.getStyler()
                .setDefaultSeriesRenderStyle(CategorySeries.CategorySeriesRenderStyle.Line);
        chart.getStyler().setYAxisMin(0.0);
        chart.getStyler().setYAxisMax(1.0);
        chart.getStyler().setSeriesColors(COLORS);
        // Every line's points at their length, not side by side as bars would be.
        chart.getStyler().setOverlapped(true);
        TreeSet<Integer> lengths = new TreeSet<>();
        evaluated.values().forEach(results -> lengths.addAll(accuracies(results).keySet()));
        evaluated.forEach(
                (stage, results) -> {
                    Map<Integer, Double> y = accuracies(results);
                    if (!y.isEmpty()) {
                        // A length that was not evaluated is a gap: null.
                        chart.addSeries(
                                moment(curriculum, stage),
                                lengths.stream().map(String::valueOf).toList(),
                                lengths.stream().map(y::get).collect(Collectors.toList()));
                    }
                });
        if (!chart.getSeriesCollection().isEmpty()) {
            ImageIO.write(BitmapEncoder.getBufferedImage(chart), "png", file.toFile());
        }
    }

    private static Map<Integer, Double> accuracies(List<Probe.Result> results) {
        return results.stream()
                .filter(r -> r.kind().equals(new Probe.Needles(1)))
                .collect(Collectors.toMap(Probe.Result::seqLen, Probe.Result::accuracy));
    }

    /** When something was measured. */
    static String moment(Curriculum curriculum, int stage) {
        if (stage < 0) {
            return "before";
        }
        Stage s = curriculum.stages().get(stage);
        return "after %d %s %d".formatted(stage, s.name(), s.seqLen());
    }

    private static XYChart chart(String title, String x, String y) {
        XYChart chart =
                new XYChartBuilder()
                        .width(1000)
                        .height(600)
                        .title(title)
                        .xAxisTitle(x)
                        .yAxisTitle(y)
                        .build();
        chart.getStyler().setLegendPosition(Styler.LegendPosition.OutsideE);
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        return chart;
    }
}
