package org.ringworld.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.gguf.GgufMetadata;
import org.ringworld.checkpoints.gguf.GgufType;
import org.ringworld.checkpoints.gguf.LlamaGguf;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.GgufVocabulary;
import org.ringworld.tokenizer.GgufVocabulary.Token;
import org.ringworld.tokenizer.chat.ChatTemplate;

/** A model with its tokenizer and chat template as one GGUF file. */
final class GgufExport {
    /** Those that llama.cpp itself takes for an end, by their texts. */
    private static final Set<String> KNOWN_ENDS =
            Set.of(
                    "<|eot_id|>",
                    "<|eom_id|>",
                    "<|im_end|>",
                    "<|end|>",
                    "<end_of_turn>",
                    "<|endoftext|>",
                    "<|end_of_text|>");

    private GgufExport() {}

    static void write(Path out, ModelFiles files, GgufType type)
            throws CheckpointException, DataException {
        Path directory = files.directory();
        boolean hasTokenizer =
                Stream.of("tokenizer.json", "tokenizer.model")
                        .anyMatch(name -> Files.exists(directory.resolve(name)));
        GgufMetadata tokenizer = new GgufMetadata();
        if (hasTokenizer) {
            int size = files.config().vocabSize();
            put(tokenizer, TextModel.tokenizer(files).gguf().withSize(size), directory);
            String template = ChatTemplate.load(directory).source();
            tokenizer.putText("tokenizer.chat_template", template);
        } else {
            System.err.println(
                    "ringworld: %s: holds no tokenizer: llama.cpp will take ids alone"
                            .formatted(directory));
            tokenizer.putText("tokenizer.ggml.model", "none");
        }
        long total = LlamaGguf.bytes(files.config(), type);
        try (BytesLine line = new BytesLine("export", total)) {
            LlamaGguf.write(out, files, type, tokenizer, line::add);
        }
    }

    private static void put(GgufMetadata to, GgufVocabulary vocabulary, Path directory)
            throws DataException {
        String key = "tokenizer.ggml.";
        List<Token> tokens = vocabulary.tokens();
        requireDifferent(tokens, directory);
        float[] scores = new float[tokens.size()];
        int[] types = new int[tokens.size()];
        for (int id = 0; id < scores.length; id++) {
            scores[id] = tokens.get(id).score();
            types[id] = tokens.get(id).type().number();
        }
        to.putText(key + "model", vocabulary.model().ggufName());
        to.putText(key + "pre", vocabulary.splitter());
        to.putTexts(key + "tokens", tokens.stream().map(Token::text).toList());
        to.putCounts(key + "token_type", types);
        switch (vocabulary.model()) {
            case SENTENCE_PIECE -> to.putNumbers(key + "scores", scores);
            case BYTE_LEVEL -> to.putTexts(key + "merges", vocabulary.merges());
        }
        to.putCount(key + "bos_token_id", vocabulary.bos());
        to.putCount(key + "eos_token_id", vocabulary.eos());
        if (vocabulary.unknown() >= 0) {
            to.putCount(key + "unknown_token_id", vocabulary.unknown());
        }
        if (vocabulary.pad() >= 0) {
            to.putCount(key + "padding_token_id", vocabulary.pad());
        }
        to.putTruth(key + "add_bos_token", vocabulary.addsBos());
        to.putTruth(key + "add_eos_token", false);
        to.putTruth(key + "add_space_prefix", vocabulary.addsSpace());
        putOtherEnds(to, vocabulary, directory);
    }

    /** llama.cpp ends its process over two tokens with one text. */
    private static void requireDifferent(List<Token> tokens, Path directory) throws DataException {
        Set<String> texts = new HashSet<>();
        for (Token token : tokens) {
            if (!texts.add(token.text())) {
                throw new DataException(
                        "%s: two of its tokens are written %s, which llama.cpp does not take: rename one of them in the tokenizer's files"
                                .formatted(directory, token.text()));
            }
        }
    }

    /** What ends a text besides EOS: the end of a turn and of a message are places for two. */
    private static void putOtherEnds(GgufMetadata to, GgufVocabulary vocabulary, Path directory)
            throws DataException {
        List<Integer> others =
                vocabulary.ends().stream()
                        .filter(id -> id != vocabulary.eos() && id < vocabulary.tokens().size())
                        .filter(id -> !KNOWN_ENDS.contains(vocabulary.tokens().get(id).text()))
                        .sorted()
                        .toList();
        List<String> places = List.of("tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id");
        if (others.size() > places.size()) {
            throw new DataException(
                    "%s: GGUF has no place for so many tokens that end a text (%s besides %d): name fewer as eos_token_id in its generation_config.json and config.json"
                            .formatted(directory, others, vocabulary.eos()));
        }
        for (int i = 0; i < others.size(); i++) {
            to.putCount(places.get(i), others.get(i));
        }
    }
}
