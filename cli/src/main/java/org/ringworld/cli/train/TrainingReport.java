package org.ringworld.cli.train;

import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.ringworld.actors.Training;
import org.ringworld.cli.LiveLine;
import org.ringworld.cli.eval.ResultsJson;
import org.ringworld.model.training.Stage;
import org.ringworld.model.training.StepMetrics;
import org.ringworld.model.training.coordination.Progress;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobData;
import org.ringworld.model.training.job.Moment;
import org.ringworld.model.training.job.Probe;
import org.ringworld.model.training.job.SaveRequest;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * What a person sees of a job: a live line, tables, pictures and files. Told by the guardian actor,
 * one message at a time.
 */
public final class TrainingReport {
    private static final int SAVE_SECONDS = 120;

    private Job job;
    private final Path output;
    private final double flopsLimit;
    private final List<JobData.Pass> passes;
    private final LiveLine live;
    private final PrintStream err;
    private final CompletableFuture<Progress> end = new CompletableFuture<>();
    private final TreeMap<Integer, List<Probe.Result>> evaluated = new TreeMap<>();
    private final long start = System.nanoTime();
    private final List<StepMetrics> steps = new ArrayList<>();
    private final Evaluations evaluations;
    private TensorBoardEvents events;
    private boolean eventsLost;
    private int copies;
    private double secondsCopying;

    public TrainingReport(Job job, double flopsLimit, JobData data) {
        this(
                job,
                flopsLimit,
                data.passes(),
                new LiveLine(job, stage -> data.places(stage).size()),
                System.err);
    }

    /** A report of a job whose own file of lines is all there is to see. */
    public TrainingReport(Job job, double flopsLimit, PrintStream log) {
        this(job, flopsLimit, List.of(), new LiveLine(job, _ -> 0, log, false), log);
        JobSummary.of(job).forEach(log::println);
    }

    private TrainingReport(
            Job job, double flopsLimit, List<JobData.Pass> passes, LiveLine live, PrintStream err) {
        this.job = job;
        this.flopsLimit = flopsLimit;
        this.passes = passes;
        this.output = job.output();
        this.evaluations = new Evaluations(output);
        this.live = live;
        this.err = err;
    }

    /** One thing that happened. */
    public void hear(Progress progress) {
        try {
            switch (progress) {
                case Progress.Formed formed -> formed(formed);
                case Progress.Regrouping _ -> {}
                case Progress.Straggler slow ->
                        live.println(
                                "%s takes %.1f times as long as the others and holds them up"
                                        .formatted(slow.device(), slow.timesMedian()));
                case Progress.Waiting waiting ->
                        live.println(
                                "waiting for devices: %d of %d are there"
                                        .formatted(waiting.devices(), waiting.needed()));
                case Progress.StageBegun begun -> stageBegun(begun);
                case Progress.Stepped stepped -> {
                    steps.add(stepped.metrics());
                    live.step(stepped.metrics());
                    tellTensorBoard(stepped.metrics().step(), scalars(stepped.metrics()));
                }
                case Progress.Evaluating now -> live.evaluating(now);
                case Progress.Evaluated results -> evaluated(results);
                case Progress.Examined examined -> examined(examined);
                case Progress.Copied copied -> {
                    copies++;
                    secondsCopying += copied.seconds();
                }
                case Progress.NotSaved not -> {
                    live.finish();
                    err.printf(
                            "ringworld: no snapshot of step %d: %s; training goes on%n",
                            not.step(), not.sentence());
                }
                case Progress.Saved saved -> saved(saved);
                case Progress.Completed completed -> completed(completed);
                case Progress.Interrupted stopped -> interrupted(stopped);
                case Progress.Failed failed -> failed(failed);
            }
            if (progress.isLast() && events != null) {
                events.close();
            }
        } catch (IOException | UncheckedIOException e) {
            live.finish();
            err.println("ringworld: " + org.ringworld.actors.Faults.sentence(e));
            end.complete(new Progress.Failed(e.getMessage(), 0, null));
        }
    }

    /** A stage's model may stand only after its scores are known. */
    private void saved(Progress.Saved saved) throws IOException {
        live.println("saved " + saved.path());
        int stage = job.curriculum().place(saved.step()).stage();
        if (evaluated.containsKey(stage) && job.curriculum().lastStep(stage) == saved.step()) {
            SaveRequest.writeScores(job, stage, evaluated.get(stage));
        }
    }

    private void completed(Progress.Completed completed) throws IOException {
        pictures();
        EvaluationTable.lines(job.curriculum(), evaluated).forEach(live::println);
        live.println(
                "training waited %.2f s in all for %d copies of its state"
                        .formatted(secondsCopying, copies));
        live.println(
                "done in %s: the model is %s, its loss %s"
                        .formatted(
                                LiveLine.time((System.nanoTime() - start) / 1e9),
                                completed.model(),
                                output.resolve("loss.png")));
        live.println(
                "try  ./ringworld generate %s --prompt \"%s\""
                        .formatted(output, JobSummary.prompt(job)));
        end.complete(completed);
    }

    private void interrupted(Progress.Interrupted stopped) throws IOException {
        pictures();
        live.println(
                stopped.step() == 0
                        ? "stopped before the first step; nothing was saved"
                        : "stopped after step %d, saved as %s; start the same job again to go on"
                                .formatted(stopped.step(), stopped.snapshot()));
        end.complete(stopped);
    }

    private void failed(Progress.Failed failed) throws IOException {
        pictures();
        live.finish();
        err.println("ringworld: " + failed.sentence());
        if (failed.snapshot() != null) {
            err.printf(
                    "ringworld: the state after step %d is saved as %s%n",
                    failed.step(), failed.snapshot());
        }
        end.complete(failed);
    }

    private void formed(Progress.Formed formed) throws IOException {
        if (events == null) {
            Files.createDirectories(output);
            events = new TensorBoardEvents(output, formed.step());
            evaluations.goOnAfter(formed.step());
        }
        if (formed.earlier() != null) {
            steps.clear();
            steps.addAll(formed.earlier());
            job = job.after(steps);
            live.resumed(job, steps);
        }
        Path earlier = output.resolve("judged.json");
        if (formed.step() > 0 && Files.exists(earlier)) {
            JsonMapper.shared()
                    .readTree(earlier.toFile())
                    .properties()
                    .forEach(
                            entry ->
                                    evaluated.put(
                                            Integer.valueOf(entry.getKey()),
                                            ResultsJson.read(entry.getValue())));
        }
        live.println(
                "ring of %d × %s, %s, %s, recompute %s, %.0f GFLOP/s measured%s"
                        .formatted(
                                formed.size(),
                                formed.device(),
                                job.layout().name(),
                                job.dtype(),
                                job.recompute(),
                                flopsLimit / 1e9,
                                formed.step() == 0
                                        ? ""
                                        : ", going on after step %d as epoch %d"
                                                .formatted(formed.step(), formed.epoch())));
    }

    private void stageBegun(Progress.StageBegun begun) {
        Stage s = begun.stage();
        int round = job.curriculum().rounds().get(begun.index());
        live.println(
                "stage %d %s%s: seqLen %d, theta %.3g, %d steps of %d tokens"
                        .formatted(
                                begun.index(),
                                s.name(),
                                round == 1 ? "" : ", round " + round,
                                s.seqLen(),
                                s.ropeTheta(),
                                s.steps(),
                                s.tokensOf(0)));
        for (JobData.Pass pass : passes) {
            if (pass.stage() == begun.index()) {
                live.println(
                        String.format(
                                Locale.ROOT,
                                "  a pass over %s has %d rows of %d, %.1f %% of them padding",
                                pass.path(),
                                pass.rows(),
                                pass.seqLen(),
                                100 * pass.paddingShare()));
            }
        }
    }

    /** A disk that is full for a while costs some points of its curves, and stops nothing. */
    private void tellTensorBoard(long step, Map<String, Double> values) {
        try {
            events.add(step, values);
        } catch (IOException e) {
            if (!eventsLost) {
                eventsLost = true;
                live.finish();
                err.printf(
                        "ringworld: no events for TensorBoard of step %d and maybe more: %s; training goes on%n",
                        step, e.getMessage());
            }
        }
    }

    private static Map<String, Double> scalars(StepMetrics step) {
        Map<String, Double> values = new LinkedHashMap<>();
        values.put("loss", step.loss());
        values.put("accuracy", step.accuracy());
        values.put("learning rate", step.learningRate());
        values.put("gradient norm", step.gradNorm());
        values.put("parameter norm", step.paramNorm());
        values.put("tokens per second", step.tokensPerSecond());
        values.put("FLOPs share", step.flopsShare());
        values.put("stage", (double) step.stage());
        if (step.parts() != null) {
            for (StepMetrics.Part part : step.parts()) {
                String of = "%s %s".formatted(part.source(), part.modality());
                values.put("loss of/" + of, part.loss());
                values.put("accuracy of/" + of, part.accuracy());
            }
        }
        return values;
    }

    private static Map<String, Double> scalars(List<Probe.Result> results) {
        Map<String, Double> values = new LinkedHashMap<>();
        for (Probe.Result result : results) {
            String of = "evaluation/%s, %d".formatted(result.kind().name(), result.seqLen());
            values.put(of, result.kind().isAsked() ? result.accuracy() : result.bits());
        }
        return values;
    }

    private void evaluated(Progress.Evaluated results) throws IOException {
        evaluations.add(results);
        tellTensorBoard(results.step(), scalars(results.results()));
        if (Moment.isInside(results.moment())) {
            say("after step " + results.step(), results.results());
            return;
        }
        evaluated.put(results.moment(), results.results());
        say(LossChart.moment(job.curriculum(), results.moment()), results.results());
        ObjectNode json = JsonMapper.shared().createObjectNode();
        evaluated.forEach((stage, list) -> json.set(Integer.toString(stage), ResultsJson.of(list)));
        ResultsJson.write(output.resolve("judged.json"), json);
        if (results.moment() > Moment.BEFORE) {
            SaveRequest.writeScores(job, Moment.stage(results.moment()), results.results());
        }
        pictures();
    }

    private void examined(Progress.Examined examined) {
        job = job.with(examined.rounds());
        live.replan(job);
        String reached =
                examined.score() >= examined.advance()
                        ? "and goes on"
                        : examined.again()
                                ? "and is done again"
                                : "but has been done as often as it may: on to what follows";
        live.println(
                String.format(
                        Locale.ROOT,
                        "stage %d reached %.3f of %.3f in round %d, %s",
                        examined.stage(),
                        examined.score(),
                        examined.advance(),
                        examined.round(),
                        reached));
    }

    private void say(String when, List<Probe.Result> results) {
        live.println(when + ", on unseen documents:");
        Probe.Kind kind = null;
        StringBuilder line = new StringBuilder();
        for (Probe.Result r : results) {
            if (!r.kind().equals(kind)) {
                if (kind != null) {
                    live.println(line.toString());
                }
                kind = r.kind();
                line = new StringBuilder("  %-22s".formatted(kind.name()));
            }
            line.append(
                    switch (kind) {
                        case Probe.Documents _ -> "  %d: %.3f bits".formatted(r.seqLen(), r.bits());
                        case Probe.Needles _, Probe.Answers _ ->
                                "  %d: %.3f".formatted(r.seqLen(), r.accuracy());
                    });
        }
        live.println(line.toString());
    }

    /** What was evaluated over the whole run: a line for each moment, a column for each length. */
    private void pictures() throws IOException {
        if (!steps.isEmpty()) {
            LossChart.loss(output.resolve("loss.png"), job.curriculum(), steps);
        }
        LossChart.retrieval(output.resolve("retrieval.png"), job.curriculum(), evaluated);
    }

    Progress awaitEnd() {
        return end.join();
    }

    /** For a signal: asks the job to save, and waits for it. */
    void stopAndWait(Training training) {
        if (end.isDone()) {
            return;
        }
        live.println("stopping: the step on its way is finished and the state saved");
        training.stop();
        try {
            end.get(SAVE_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            err.println("ringworld: the job did not stop within " + SAVE_SECONDS + " s");
        } catch (InterruptedException | java.util.concurrent.ExecutionException e) {
            Thread.currentThread().interrupt();
        }
    }
}
