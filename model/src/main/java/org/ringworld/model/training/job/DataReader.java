package org.ringworld.model.training.job;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigUtil;
import com.typesafe.config.ConfigValueType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.chat.ChatTemplate;
import org.ringworld.tokenizer.documents.FieldLanguage;
import org.ringworld.tokenizer.packing.Packing;
import org.ringworld.tokenizer.sources.TextFiles;

/** Reads the {@code data} of a stage: one path, or several sources with what each has otherwise. */
final class DataReader {
    private DataReader() {}

    /** Whether it names documents. */
    static boolean hasDocuments(Config data) {
        return !data.getIsNull("path") || !data.getList("sources").isEmpty();
    }

    /**
     * @param tokenizer of the job: its model has the template of chats, unless the data names one
     */
    static StageData read(Config data, String tokenizer) {
        List<StageData.Source> sources = new ArrayList<>();
        List<? extends Config> several = data.getConfigList("sources");
        if (!several.isEmpty() && !data.getIsNull("path")) {
            throw new UsageException("data.path and data.sources: give either one or the other");
        }
        if (several.isEmpty()) {
            sources.add(source(data, 1, "data.", tokenizer));
        }
        for (int i = 0; i < several.size(); i++) {
            String key = "data.sources." + i + ".";
            Config source = several.get(i);
            double weight = source.hasPath("weight") ? source.getDouble("weight") : 1;
            if (!(weight > 0 && weight < Double.POSITIVE_INFINITY)) {
                throw new UsageException(key + "weight = " + weight + " must be over 0");
            }
            sources.add(source(source.withFallback(data), weight, key, tokenizer));
        }
        return new StageData(sources);
    }

    private static StageData.Source source(
            Config data, double weight, String key, String tokenizer) {
        if (data.getIsNull("path")) {
            throw new UsageException(key + "path is missing");
        }
        Path path = Path.of(data.getString("path"));
        if (!TextFiles.mayBe(path)) {
            throw new UsageException(
                    "%spath = %s: there is no such file or directory".formatted(key, path));
        }
        FieldLanguage fields = fields(data, key).withChat(chat(data, key, tokenizer));
        boolean isCache = path.getFileName().toString().endsWith(".tokens");
        if (isCache && !fields.withChat(ChatTemplate.lwm()).equals(FieldLanguage.of("text"))) {
            throw new UsageException(
                    "%spath = %s was tokenized with fields of its own: give those of the job to tokenize instead"
                            .formatted(key, path));
        }
        return new StageData.Source(path, weight, fields, packing(data, key));
    }

    private static ChatTemplate chat(Config data, String key, String tokenizer) {
        try {
            return data.getIsNull("chatTemplate")
                    ? ChatTemplate.of(tokenizer)
                    : ChatTemplate.named(data.getString("chatTemplate"));
        } catch (DataException e) {
            throw new UsageException(key + "chatTemplate: " + e.getMessage());
        }
    }

    private static FieldLanguage fields(Config data, String key) {
        List<String> lines =
                data.getValue("fields").valueType() == ConfigValueType.LIST
                        ? data.getStringList("fields")
                        : List.of(data.getString("fields"));
        Map<String, Float> weights = new HashMap<>();
        Config given = data.getConfig("fieldWeights");
        for (String name : given.root().keySet()) {
            double weight = given.getDouble(ConfigUtil.quoteString(name));
            if (!(weight >= 0 && weight < Double.POSITIVE_INFINITY)) {
                throw new UsageException(
                        "%sfieldWeights.%s = %s must be at least 0".formatted(key, name, weight));
            }
            weights.put(name, (float) weight);
        }
        try {
            return new FieldLanguage(
                    lines,
                    data.getIsNull("fieldsFromExample")
                            ? null
                            : data.getString("fieldsFromExample"),
                    data.getString("separator"),
                    data.getBoolean("addBosToken"),
                    data.getBoolean("addEosToken"),
                    data.getString("prependText"),
                    data.getInt("tokensPerFrame"),
                    data.getInt("maxFrames"),
                    weights);
        } catch (ConfigException e) {
            throw e;
        } catch (IllegalArgumentException e) {
            throw new UsageException(key + "fields: " + e.getMessage());
        }
    }

    private static Packing packing(Config data, String key) {
        int least = data.getInt("minTokens");
        int limit = data.getIsNull("maxTokens") ? Integer.MAX_VALUE : data.getInt("maxTokens");
        if (least < 0 || limit <= least) {
            throw new UsageException(
                    "%smaxTokens = %d must be over minTokens = %d, which must be at least 0"
                            .formatted(key, limit, least));
        }
        try {
            Packing.Mode mode = Packing.Mode.of(data.getString("packing"));
            return new Packing(
                    mode,
                    least,
                    limit,
                    data.getBoolean("documentWeights"),
                    data.getBoolean("modalityWeights"),
                    order(data, key),
                    data.getInt("skip"));
        } catch (UsageException e) {
            throw e;
        } catch (IllegalArgumentException e) {
            throw new UsageException(key + e.getMessage());
        }
    }

    private static Packing.Order order(Config data, String key) {
        String order = data.getString("order");
        return switch (order) {
            case "seeded" -> Packing.Order.SEEDED;
            case "file" -> Packing.Order.FILE;
            default ->
                    throw new UsageException(
                            "%sorder = %s is neither seeded nor file".formatted(key, order));
        };
    }
}
