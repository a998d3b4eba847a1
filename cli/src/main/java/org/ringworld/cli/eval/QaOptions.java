package org.ringworld.cli.eval;

import java.io.IOException;
import java.nio.file.Path;
import org.ringworld.model.training.job.UsageException;
import picocli.CommandLine.Option;

/** Which questions a model is evaluated by, and who says what is right. */
final class QaOptions {
    @Option(
            names = "--qa",
            paramLabel = "FILE.jsonl",
            description =
                    "Questions to be answered in words: lines with question or prompt, answer or answers, and optionally context, choices and type (exact, f1, yesno or choice; default: f1, with choices choice).")
    private Path file;

    @Option(
            names = "--judge",
            paramLabel = "URL",
            description =
                    "Of --qa: an OpenAI-compatible endpoint, such as https://HOST/v1, that also says of each answer whether it is right. A key is read from OPENAI_API_KEY.")
    private String judge;

    @Option(names = "--judge-model", description = "Of --judge: the model's name there.")
    private String judgeModel;

    @Option(
            names = "--insecure",
            description = "Of --judge: send answers over plain http to another host.")
    private boolean insecure;

    boolean isGiven() {
        return file != null;
    }

    Path file() {
        return file;
    }

    /** Null: nobody judges. */
    Judge judge() throws IOException {
        return judge == null ? null : new Judge(judge, judgeModel, insecure);
    }

    /** By whom it is judged, as far as it is said; null: by nobody. */
    String judgeName() {
        return judge == null || judgeModel == null ? judge : judge + " " + judgeModel;
    }

    /**
     * @throws UsageException where an option of questions or judges is given without them
     */
    void checkAlone() {
        if (file == null && judge != null) {
            throw new UsageException("--judge belongs to --qa");
        }
        if (judge == null && (judgeModel != null || insecure)) {
            throw new UsageException("--judge-model and --insecure belong to --judge");
        }
    }
}
