package org.ringworld.checkpoints.hf;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.Locale;
import org.ringworld.checkpoints.files.AtomicFiles;
import org.ringworld.checkpoints.hub.HubCache;

/**
 * The model card of a model directory, its {@code README.md}: what the model is, what else is known
 * of it, and how it is asked.
 *
 * @param name of the model
 * @param sections what is known of how it was made and how good it is
 */
public record ModelCard(String name, LlamaConfig config, List<Section> sections) {
    private static final String FILE = "README.md";

    /** A heading and the Markdown under it. */
    public record Section(String title, String markdown) {}

    public ModelCard {
        sections = List.copyOf(sections);
    }

    /**
     * A copy of the card that the model came with; where it had none, or one that would be false by
     * now, one that says from where.
     *
     * @param same whether its sizes and constants are those of the model it came from
     */
    public static void carry(boolean same, Path from, Path to, String name, LlamaConfig config)
            throws IOException {
        boolean has = Files.isRegularFile(from.resolve(FILE));
        if (has && same) {
            Files.copy(from.resolve(FILE), to.resolve(FILE));
            return;
        }
        String why = has ? "with other settings than its card says" : "which had no model card";
        String source = "Converted from %s, %s.\n".formatted(code(from), why);
        new ModelCard(name, config, List.of(new Section("Origin", source))).write(to);
    }

    /** A file's or directory's name as code: where it lies is nobody else's business. */
    public static String code(Path path) {
        return "`" + HubCache.called(path) + "`";
    }

    /**
     * Writes it into a model directory, whole or not at all, in place of an older one. The
     * directory keeps its date: by that, whoever serves a run knows another model from the same
     * one.
     */
    public void write(Path directory) throws IOException {
        Path file = directory.resolve(FILE);
        Path temporary = AtomicFiles.temporary(file);
        FileTime date = Files.getLastModifiedTime(directory);
        try {
            Files.writeString(
                    temporary,
                    markdown(),
                    StandardOpenOption.CREATE,
                    StandardOpenOption.TRUNCATE_EXISTING,
                    StandardOpenOption.WRITE,
                    StandardOpenOption.SYNC);
            AtomicFiles.rename(temporary, file);
        } finally {
            Files.deleteIfExists(temporary);
            Files.setLastModifiedTime(directory, date);
        }
    }

    /** The whole page. */
    public String markdown() {
        StringBuilder page = new StringBuilder(head());
        page.append("# ").append(name).append("\n\n").append(sizes());
        for (Section section : sections) {
            page.append("\n## ").append(section.title()).append("\n\n");
            page.append(section.markdown());
        }
        return page.append("\n## Use\n\n").append(use()).toString();
    }

    /** What the Hugging Face hub reads of it; its library knows no vision tables. */
    private String head() {
        String library = config.visionVocabSize() > 0 ? "" : "library_name: transformers\n";
        return "---\n" + library + "pipeline_tag: text-generation\ntags:\n- ringworld\n---\n\n";
    }

    private String sizes() {
        long parameters = LlamaTensors.count(config);
        String vision =
                config.visionVocabSize() == 0
                        ? ""
                        : " and " + config.visionVocabSize() + " of pictures";
        return String.format(
                Locale.ROOT,
                """
                A LLaMA model of %,d parameters for contexts of up to %d tokens.

                | | |
                | --- | --- |
                | layers | %d |
                | hidden size, feed-forward | %d, %d |
                | heads, KV heads, head dimension | %d, %d, %d |
                | vocabulary | %d tokens%s%s |
                | rotary base | %s%s |
                """,
                parameters,
                config.maxPositionEmbeddings(),
                config.numLayers(),
                config.hiddenSize(),
                config.intermediateSize(),
                config.numHeads(),
                config.numKvHeads(),
                config.headDim(),
                config.vocabSize(),
                vision,
                config.tieEmbeddings() ? ", embeddings tied" : "",
                plain(config.ropeTheta()),
                scaling());
    }

    /** A rotary base as people write it. */
    public static String plain(double theta) {
        return theta == Math.rint(theta) && theta < 1e15
                ? String.format(Locale.ROOT, "%,d", (long) theta)
                : Double.toString(theta);
    }

    private String scaling() {
        return switch (config.ropeScaling()) {
            case RopeScaling.None _ -> "";
            case RopeScaling.Linear(double factor) -> ", positions divided by " + factor;
            case RopeScaling.Llama3 llama3 -> ", scaled by " + llama3.factor() + " as Llama 3.1's";
            case RopeScaling.Yarn yarn -> ", scaled by " + yarn.factor() + " as YaRN says";
        };
    }

    private String use() {
        String text =
                """
                With Ringworld, MODEL being this directory:

                    ./ringworld chat MODEL
                    ./ringworld generate MODEL --prompt "Once upon a time"
                    ./ringworld serve MODEL
                """;
        return config.visionVocabSize() > 0
                ? text
                : text + "    ./ringworld export MODEL model.gguf --to gguf\n";
    }
}
