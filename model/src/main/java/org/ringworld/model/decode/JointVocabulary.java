package org.ringworld.model.decode;

import java.util.List;
import java.util.stream.IntStream;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.layers.ParameterStore;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Tensor;

/**
 * Numbers for the tokens of both modalities: those of text as they are, and behind them the vision
 * codes.
 *
 * @param text tokens of text
 * @param vision codes and their ends; 0 where a model has none
 */
public record JointVocabulary(int text, int vision) {
    public static JointVocabulary of(LlamaConfig config) {
        return new JointVocabulary(config.vocabSize(), config.visionVocabSize());
    }

    /** All there are. */
    public int count() {
        return text + vision;
    }

    public boolean isCode(int id) {
        return id >= text;
    }

    /** The vision code that a number stands for. */
    public int code(int id) {
        return id - text;
    }

    /** The number of a head's token. */
    public int of(Modality head, int token) {
        return head == Modality.TEXT ? token : text + token;
    }

    /** The same tokens of a head as numbers. */
    List<Made.Alternative> of(Modality head, List<Made.Alternative> tokens) {
        return tokens.stream()
                .map(one -> new Made.Alternative(of(head, one.id()), one.logprob()))
                .toList();
    }

    /** The vision codes that numbers stand for. */
    public int[] codes(int[] ids) {
        return IntStream.of(ids).map(this::code).toArray();
    }

    /** Vision codes as numbers. */
    public int[] ofCodes(int[] codes) {
        return IntStream.of(codes).map(code -> of(Modality.VISION, code)).toArray();
    }

    /**
     * Embeds tokens, one run of a modality after the other.
     *
     * @param to values [S,E]
     */
    void embed(
            TokenChoice choice, Kernels kernels, ParameterStore parameters, int[] ids, Tensor to) {
        int[] rows = IntStream.of(ids).map(id -> isCode(id) ? code(id) : id).toArray();
        Tensor same = choice.ints(rows);
        for (int from = 0, end; from < ids.length; from = end) {
            boolean code = isCode(ids[from]);
            for (end = from + 1; end < ids.length && isCode(ids[end]) == code; end++) {}
            Tensor table = parameters.embedding(code ? Modality.VISION : Modality.TEXT);
            kernels.embedding(same.rows(from, end), table, to.rows(from, end));
        }
    }
}
