package org.ringworld.model.training.job;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ringworld.model.training.Stage;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.documents.FieldLanguage;
import org.ringworld.tokenizer.documents.TextDocuments;
import org.ringworld.tokenizer.packing.Mixture;
import org.ringworld.tokenizer.packing.Row;
import org.ringworld.tokenizer.packing.RowStream;
import org.ringworld.tokenizer.sources.TextFiles;

/** The documents of all stages of a job, each file read once however many stages take it. */
final class StageTexts {
    private final Tokenizer tokenizer;
    private final int visionVocabSize;
    private final double heldOut;
    private final long seed;
    private final Map<Corpus, TextDocuments> opened = new LinkedHashMap<>();
    private final List<JobData.Pass> passes = new ArrayList<>();
    private final List<String> faults = new ArrayList<>();

    private record Corpus(Path path, FieldLanguage fields) {}

    /**
     * @param visionVocabSize of the model
     */
    StageTexts(Tokenizer tokenizer, int visionVocabSize, double heldOut, long seed) {
        this.tokenizer = tokenizer;
        this.visionVocabSize = visionVocabSize;
        this.heldOut = heldOut;
        this.seed = seed;
    }

    /**
     * The rows of a stage.
     *
     * @throws DataException naming the stage where one of its sources has no document for it, or
     *     has vision codes and the model no tables for them
     */
    RowStream stream(int index, Stage stage, StageData data) throws DataException {
        String name = "stages.%d (%s)".formatted(index, stage.name());
        List<RowStream> streams = new ArrayList<>();
        for (StageData.Source source : data.sources()) {
            TextDocuments documents = open(source);
            if (documents.visionVocabSize() > visionVocabSize) {
                throw new DataException(
                        "%s: %s has vision fields, which need a visionVocabSize of at least %d, and the model's is %d: give a model with vision tables (LWM: 8448), or leave these fields out"
                                .formatted(
                                        name,
                                        source.path(),
                                        documents.visionVocabSize(),
                                        visionVocabSize));
            }
            streams.add(documents.training(seed, index, source.packing()));
            int rows = documents.rowsPerPass(stage.seqLen(), source.packing());
            if (rows == 0) {
                throw new DataException(
                        "%s: %s has no document to train on of at least %d and under %d tokens after %d skipped; change data.minTokens, data.maxTokens or data.skip, or leave the stage out"
                                .formatted(
                                        name,
                                        source.path(),
                                        source.packing().least(),
                                        source.packing().limit(),
                                        source.packing().skip()));
            }
            double padding = documents.paddingShare(stage.seqLen(), source.packing());
            passes.add(new JobData.Pass(index, source.path(), stage.seqLen(), rows, padding));
        }
        RowStream stream = streams.getFirst();
        if (streams.size() > 1) {
            List<Double> weights = data.sources().stream().map(StageData.Source::weight).toList();
            try {
                stream = new Mixture(streams, weights, seed, index);
            } catch (IllegalArgumentException e) {
                throw new DataException(name + ": data.sources: " + e.getMessage(), e);
            }
        }
        return stream;
    }

    private TextDocuments open(StageData.Source source) throws DataException {
        Corpus corpus = new Corpus(source.path(), source.fields());
        TextDocuments documents = opened.get(corpus);
        if (documents == null) {
            documents = TextDocuments.open(source.path(), source.fields(), tokenizer, heldOut);
            opened.put(corpus, documents);
            String notRead = TextFiles.notRead(source.path());
            if (notRead != null && !faults.contains(notRead)) {
                faults.add(notRead);
            }
            faults.addAll(documents.faults());
            long more = documents.badLines() - documents.faults().size();
            if (more > 0) {
                faults.add("%d more lines of %s".formatted(more, source.path()));
            }
        }
        return documents;
    }

    /** Held-out rows, about so many of each corpus. */
    List<Row> heldOut(int seqLen, int most) {
        List<Row> rows = new ArrayList<>();
        for (TextDocuments documents : opened.values()) {
            rows.addAll(documents.heldOut(seqLen, Math.max(1, most / opened.size())));
        }
        return rows;
    }

    /** Held-out rows of a stage's sources, about so many tokens of each, by the sources' names. */
    Map<String, List<Row>> heldOut(StageData data, int seqLen, int tokens) {
        Map<String, List<Row>> rows = new LinkedHashMap<>();
        for (StageData.Source source : data.sources()) {
            TextDocuments documents = opened.get(new Corpus(source.path(), source.fields()));
            String name = source.path().toString();
            rows.put(
                    rows.containsKey(name) ? "%s (%d)".formatted(name, rows.size() + 1) : name,
                    documents.heldOut(seqLen, Math.max(1, tokens / seqLen)));
        }
        return rows;
    }

    /** Rows of documents that no stage trains on, about so many tokens. */
    List<Row> unseen(StageData.Source source, int seqLen, int tokens) throws DataException {
        TextDocuments documents = open(source);
        int most = Math.max(1, tokens / seqLen);
        int rows = Math.min(most, documents.rowsPerPass(seqLen, source.packing()));
        return documents.training(seed, 0, source.packing()).rows(0, seqLen, rows);
    }

    List<JobData.Pass> passes() {
        return passes;
    }

    List<String> faults() {
        return faults;
    }
}
