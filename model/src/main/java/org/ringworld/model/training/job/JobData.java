package org.ringworld.model.training.job;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.ringworld.model.attention.CausalMask;
import org.ringworld.model.attention.Layout;
import org.ringworld.model.attention.MicroBatch;
import org.ringworld.model.attention.RingPlan;
import org.ringworld.model.attention.RingShares;
import org.ringworld.model.training.Curriculum;
import org.ringworld.model.training.Stage;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.packing.RowStream;
import org.ringworld.tokenizer.tasks.CopyTask;
import org.ringworld.tokenizer.tasks.NeedleTask;
import org.ringworld.tokenizer.tasks.SeparatorTask;

/** What a job trains on, stage by stage, and the unseen rows it is evaluated by. */
public final class JobData {
    /** Documents of a retrieval cell, and fewer where they are long (CONTRACT: Retrieval). */
    private static final int NEEDLE_ROWS = 200;

    private static final int LONG_NEEDLE_ROWS = 20;
    private static final int LONG = 4096;

    private static final List<Stage.Task> NEEDLE_TASKS =
            List.of(Stage.Task.NEEDLES, Stage.Task.QUESTIONS);

    private static final Probe.Kind HELD_OUT = new Probe.Documents("held out");
    private static final int HELD_OUT_TOKENS = 1 << 16;
    private static final long TEST_SEED = 20_240_213;

    /** Tokens evaluated at once, over the whole ring. */
    private static final int BATCH_TOKENS = 16_384;

    private final List<RowStream> streams;
    private final StageTexts texts;
    private final List<Probe> probes;
    private final List<List<Probe>> inside;
    private final Map<Integer, List<Probe>> exams;
    private final int[] reach;

    /**
     * What a pass over a stage's source comes to.
     *
     * @param paddingShare of the places in its rows
     */
    public record Pass(int stage, Path path, int seqLen, int rows, double paddingShare) {}

    private JobData(
            List<RowStream> streams,
            StageTexts texts,
            List<Probe> probes,
            List<List<Probe>> inside,
            Map<Integer, List<Probe>> exams,
            int[] reach) {
        this.inside = inside;
        this.exams = exams;
        this.streams = streams;
        this.texts = texts;
        this.probes = probes;
        this.reach = reach;
    }

    /**
     * The data of a job's stages: {@code text} from their documents, which are read and encoded
     * now; other tasks make their own.
     *
     * @throws DataException where documents cannot be read, or a stage has none
     */
    public static JobData open(Job job, Tokenizer tokenizer) throws DataException {
        Curriculum curriculum = job.curriculum();
        StageTexts texts =
                new StageTexts(tokenizer, job.model().visionVocabSize(), job.heldOut(), job.seed());
        List<RowStream> streams = new ArrayList<>();
        List<Probe> probes = new ArrayList<>();
        for (int i = 0; i < curriculum.stages().size(); i++) {
            Stage stage = curriculum.stages().get(i);
            streams.add(
                    switch (stage.task()) {
                        case TEXT -> texts.stream(i, stage, job.data().get(i));
                        case COPY -> new CopyTask(job.seed(), i, tokenizer);
                        case SEPARATORS -> new SeparatorTask(job.seed(), i, tokenizer);
                        case NEEDLES, QUESTIONS ->
                                new NeedleTask(form(stage.task()), job.seed(), i, tokenizer);
                    });
        }
        int[] textLengths = lengths(curriculum, Stage.Task.TEXT);
        for (int seqLen : textLengths) {
            List<Row> rows = texts.heldOut(seqLen, HELD_OUT_TOKENS / seqLen);
            if (!rows.isEmpty()) {
                probes.add(new Probe(HELD_OUT, seqLen, Double.NaN, rows));
            }
        }
        for (Stage.Task task : NEEDLE_TASKS) {
            int[] needleLengths = lengths(curriculum, task);
            for (int needles : new int[] {1, 4}) {
                for (int seqLen : needleLengths) {
                    if (seqLen >= form(task).shortestTest(needles)) {
                        probes.add(
                                needles(
                                        form(task),
                                        tokenizer,
                                        needles,
                                        seqLen,
                                        Double.NaN,
                                        TEST_SEED));
                    }
                }
            }
        }
        List<List<Probe>> inside = new ArrayList<>();
        for (int i = 0; i < curriculum.stages().size(); i++) {
            inside.add(inside(job, i, texts, tokenizer));
        }
        int[] reach = curriculum.stages().stream().mapToInt(s -> 2 * s.seqLen()).toArray();
        Map<Integer, List<Probe>> exams = new TreeMap<>();
        for (int stage : job.exams().keySet()) {
            exams.put(stage, exam(job, stage, tokenizer));
        }
        return new JobData(streams, texts, List.copyOf(probes), inside, exams, reach);
    }

    /** What the model is asked more at a stage's end. */
    private static List<Probe> exam(Job job, int index, Tokenizer tokenizer) throws DataException {
        Stage stage = job.curriculum().stages().get(index);
        StageExam exam = job.exams().get(index);
        try {
            if (exam.suite() != null) {
                return exam.probes(tokenizer, stage.seqLen(), TEST_SEED);
            }
            if (NEEDLE_TASKS.contains(stage.task())) {
                return List.of(); // it is evaluated by these in any case
            }
            NeedleTask.Form form = NeedleTask.Form.PLAIN;
            return List.of(needles(form, tokenizer, 1, stage.seqLen(), Double.NaN, TEST_SEED));
        } catch (DataException | IllegalArgumentException e) {
            throw new DataException("stages.%d.evaluate: %s".formatted(index, e.getMessage()), e);
        }
    }

    /** What the model is evaluated by inside a stage, each source and modality by itself. */
    private static List<Probe> inside(Job job, int index, StageTexts texts, Tokenizer tokenizer)
            throws DataException {
        Job.Evaluate evaluate = job.evaluate();
        if (evaluate.everySteps() == 0) {
            return List.of();
        }
        Stage stage = job.curriculum().stages().get(index);
        int seqLen = stage.seqLen();
        List<Probe> probes = new ArrayList<>();
        if (evaluate.documents() != null) {
            Path path = evaluate.documents().path();
            addDocuments(path.toString(), unseen(evaluate, texts, seqLen), probes);
        } else if (stage.task() == Stage.Task.TEXT) {
            texts.heldOut(job.data().get(index), seqLen, evaluate.tokens())
                    .forEach((name, rows) -> addDocuments(name, rows, probes));
        } else if (NEEDLE_TASKS.contains(stage.task())
                && seqLen >= form(stage.task()).shortestTest(1)) {
            int rows = Math.clamp(evaluate.tokens() / seqLen, 1, NEEDLE_ROWS);
            NeedleTask.Form form = form(stage.task());
            List<Row> all =
                    NeedleTask.test(form, tokenizer, TEST_SEED, seqLen, 1, 1, Double.NaN, rows);
            probes.add(new Probe(new Probe.Needles(1), seqLen, Double.NaN, all));
        }
        return probes;
    }

    private static List<Row> unseen(Job.Evaluate evaluate, StageTexts texts, int seqLen)
            throws DataException {
        try {
            return texts.unseen(evaluate.documents(), seqLen, evaluate.tokens());
        } catch (DataException e) {
            throw new DataException("evaluate.path: " + e.getMessage(), e);
        }
    }

    private static void addDocuments(String name, List<Row> rows, List<Probe> to) {
        if (rows.isEmpty()) {
            return;
        }
        int seqLen = rows.getFirst().length();
        List<Row> text = rows.stream().map(row -> row.only(false)).filter(Row::weighs).toList();
        List<Row> vision = rows.stream().map(row -> row.only(true)).filter(Row::weighs).toList();
        if (vision.isEmpty()) {
            to.add(new Probe(new Probe.Documents(name), seqLen, Double.NaN, rows));
            return;
        }
        if (!text.isEmpty()) {
            to.add(new Probe(new Probe.Documents(name + ", text"), seqLen, Double.NaN, text));
        }
        to.add(new Probe(new Probe.Documents(name + ", vision"), seqLen, Double.NaN, vision));
    }

    private static int[] lengths(Curriculum curriculum, Stage.Task task) {
        return curriculum.stages().stream()
                .filter(s -> s.task() == task)
                .mapToInt(Stage::seqLen)
                .distinct()
                .toArray();
    }

    private static NeedleTask.Form form(Stage.Task task) {
        return task == Stage.Task.QUESTIONS ? NeedleTask.Form.CHAT : NeedleTask.Form.PLAIN;
    }

    /** Unseen documents with {@code needles} hidden and one asked for. */
    public static Probe needles(
            NeedleTask.Form form,
            Tokenizer tokenizer,
            int needles,
            int seqLen,
            double depth,
            long seed) {
        int count = seqLen > LONG ? LONG_NEEDLE_ROWS : NEEDLE_ROWS;
        return new Probe(
                new Probe.Needles(needles),
                seqLen,
                depth,
                NeedleTask.test(form, tokenizer, seed, seqLen, needles, 1, depth, count));
    }

    /** What a pass comes to, for each source of each stage of texts. */
    public List<Pass> passes() {
        return texts.passes();
    }

    /** The first lines of documents that could not be used, a sentence each. */
    public List<String> faults() {
        return texts.faults();
    }

    /** The rows of a stage. */
    public RowStream stream(int stage) {
        return streams.get(stage);
    }

    /**
     * What a model is evaluated by at a {@link Moment}. Between the first evaluation and the last,
     * retrieval is evaluated up to twice the length just trained on: raising the rotary base
     * carries a model that far and no further.
     */
    public List<Probe> probes(int moment) {
        if (Moment.isInside(moment)) {
            return inside.get(Moment.stage(moment));
        }
        List<Probe> all = new ArrayList<>(probesAfter(moment));
        inside.get(Moment.stage(moment)).stream()
                .filter(probe -> probe.kind() instanceof Probe.Documents)
                .forEach(all::add);
        all.addAll(exams.getOrDefault(moment, List.of()));
        return all;
    }

    private List<Probe> probesAfter(int stage) {
        if (stage < 0 || stage == reach.length - 1) {
            return probes;
        }
        return probes.stream()
                .filter(p -> p.kind().equals(HELD_OUT) || p.seqLen() <= reach[stage])
                .toList();
    }

    /** Some rows of one probe: from, to (exclusive). */
    public record Place(int probe, int from, int to) {}

    /** Some rows of one probe, cut for a ring. */
    public record Batch(int probe, MicroBatch micro) {}

    /** The batches in which a model is evaluated at a {@link Moment}. */
    public List<Place> places(int moment) {
        return places(probes(moment));
    }

    /** The batches in which these are evaluated. */
    public static List<Place> places(List<Probe> probes) {
        List<Place> places = new ArrayList<>();
        for (int p = 0; p < probes.size(); p++) {
            int rows = probes.get(p).rows().size();
            int at = Math.max(1, BATCH_TOKENS / probes.get(p).seqLen());
            for (int from = 0; from < rows; from += at) {
                places.add(new Place(p, from, Math.min(rows, from + at)));
            }
        }
        return places;
    }

    /** One of {@link #places}, cut for a ring. */
    public MicroBatch batch(
            int moment, int index, Layout layout, RingShares shares, CausalMask mask) {
        List<Probe> evaluated = probes(moment);
        return batch(evaluated, places(evaluated).get(index), layout, shares, mask).micro();
    }

    private static Batch batch(
            List<Probe> probes, Place place, Layout layout, RingShares shares, CausalMask mask) {
        List<Row> rows = probes.get(place.probe).rows().subList(place.from, place.to);
        return new Batch(place.probe, MicroBatch.of(rows, layout, shares, RingPlan.TILE, mask));
    }

    /** All rows of probes, a batch at a time. */
    public static List<Batch> batches(List<Probe> probes, Layout layout, int ringSize) {
        RingShares even = RingShares.even(ringSize);
        return places(probes).stream()
                .map(p -> batch(probes, p, layout, even, CausalMask.CAUSAL))
                .toList();
    }
}
