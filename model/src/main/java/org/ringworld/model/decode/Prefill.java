package org.ringworld.model.decode;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.FillAttention;
import org.ringworld.model.attention.Modality;
import org.ringworld.model.layers.DecoderLayer;
import org.ringworld.model.layers.ParameterStore;
import org.ringworld.model.layers.RotaryEmbedding;
import org.ringworld.model.ring.AllGather;
import org.ringworld.model.ring.Frame;
import org.ringworld.model.ring.Frame.Pass;
import org.ringworld.model.ring.Lease;
import org.ringworld.model.ring.Ring;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/** A rank's part of reading texts: it computes the tokens whose pages it has. */
final class Prefill {
    private final Device device;
    private final Kernels kernels;
    private final ParameterStore parameters;
    private final LlamaConfig config;
    private final JointVocabulary kinds;
    private final List<DecoderLayer> layers;
    private final FillAttention filling;
    private final Ring ring;
    private final TokenChoice choice;
    private final Workspace scratch;

    Prefill(
            Device device,
            ParameterStore parameters,
            LlamaConfig config,
            FillAttention filling,
            Ring ring,
            TokenChoice choice,
            Workspace scratch) {
        this.device = device;
        this.kernels = device.kernels();
        this.parameters = parameters;
        this.config = config;
        this.kinds = JointVocabulary.of(config);
        this.layers = DecoderLayer.of(device, parameters, scratch);
        this.filling = filling;
        this.ring = ring;
        this.choice = choice;
        this.scratch = scratch;
    }

    /**
     * Keys and values of what is read; each rank has tokens of its own.
     *
     * @param of the texts
     * @param ends is given what the model says after the last token of those that are written on
     */
    void run(
            Frame frame,
            List<FillAttention.Fill> reads,
            List<RankText> of,
            List<RankText> writes,
            Tensor ends,
            List<Made.Scores> scores) {
        Workspace.Mark mark = scratch.mark();
        List<FillAttention.Tile> tiles = filling.begin(reads, frame, scratch);
        int n = tiles.stream().mapToInt(tile -> tile.to() - tile.from()).sum();
        Tensor asked = null;
        int last = config.numLayers() - 1;
        if (n > 0) {
            Tensor x = scratch.take(parameters.dtype(), n, config.hiddenSize());
            int[] ids = new int[n];
            int row = 0;
            for (FillAttention.Tile tile : tiles) {
                int count = tile.to() - tile.from();
                System.arraycopy(of.get(tile.fill()).ids, tile.from(), ids, row, count);
                row += count;
            }
            kinds.embed(choice, kernels, parameters, ids, x);
            RotaryEmbedding.Angles angles =
                    RotaryEmbedding.angles(kernels, config, filling.positions(), scratch);
            for (DecoderLayer layer : layers.subList(0, last)) {
                layer.forward(x, angles, filling);
            }
            asked = lastLayer(tiles, x, angles);
        } else {
            for (int layer = 0; layer <= last; layer++) {
                filling.help(layer);
            }
        }
        lastRows(reads, of, asked, writes, ends, frame);
        score(of, asked, scores);
        scratch.release(mark);
    }

    /**
     * All tokens' keys and values, and outputs of those alone whose logits somebody asks for: what
     * the others would come to is seen by no layer.
     *
     * @return values [S,E], in the order of {@link FillAttention#asked}; null where there are none
     */
    private Tensor lastLayer(
            List<FillAttention.Tile> tiles, Tensor x, RotaryEmbedding.Angles angles) {
        DecoderLayer layer = layers.getLast();
        List<FillAttention.Tile> asked = filling.asked();
        if (asked.equals(tiles)) {
            layer.forward(x, angles, filling);
            return x;
        }
        layer.keysAndValues(x, angles, filling);
        if (asked.isEmpty()) {
            filling.help(layers.size() - 1);
            return null;
        }
        Tensor positions = filling.askedPositions();
        Tensor some = scratch.take(x.dtype(), positions.size(), x.dim(1));
        int row = 0;
        for (FillAttention.Tile tile : asked) {
            int count = tile.to() - tile.from();
            int from = row(tiles, tile);
            kernels.copy(x.rows(from, from + count), some.rows(row, row + count));
            row += count;
        }
        RotaryEmbedding.Angles own = RotaryEmbedding.angles(kernels, config, positions, scratch);
        layer.queries(some, own, filling);
        return some;
    }

    /** The row in which a tile begins that is a part of one of some. */
    private static int row(List<FillAttention.Tile> tiles, FillAttention.Tile part) {
        int row = 0;
        for (FillAttention.Tile tile : tiles) {
            if (tile.fill() == part.fill() && tile.to() == part.to()) {
                return row + part.from() - tile.from();
            }
            row += tile.to() - tile.from();
        }
        throw new IllegalStateException(part + " is in none of " + tiles);
    }

    /** The rank that has a text's last token gives what it made of it to all. */
    private void lastRows(
            List<FillAttention.Fill> reads,
            List<RankText> of,
            Tensor asked,
            List<RankText> writes,
            Tensor last,
            Frame frame) {
        List<List<Integer>> rowsOf = new ArrayList<>(); // of each rank, rows of last
        for (int rank = 0; rank < ring.size(); rank++) {
            rowsOf.add(new ArrayList<>());
        }
        for (int f = 0; f < reads.size(); f++) {
            FillAttention.Fill fill = reads.get(f);
            int row = writes.indexOf(of.get(f));
            if (row >= 0 && fill.to() == of.get(f).length) {
                rowsOf.get(fill.pages().rank(fill.to() - 1)).add(row);
            }
        }
        List<Integer> own = rowsOf.get(ring.rank());
        int at = 0;
        for (FillAttention.Tile tile : filling.asked()) {
            at += tile.to() - tile.from();
            RankText text = of.get(tile.fill());
            int row = tile.to() == text.length ? writes.indexOf(text) : -1;
            if (row >= 0) {
                kernels.copy(asked.rows(at - 1, at), last.rows(row, row + 1));
            }
        }
        if (ring.size() == 1) {
            return;
        }
        long[] sizes = new long[ring.size()];
        for (int rank = 0; rank < sizes.length; rank++) {
            sizes[rank] = rowsOf.get(rank).size() * config.hiddenSize();
        }
        Tensor sent = null;
        if (!own.isEmpty()) {
            sent = scratch.take(last.dtype(), own.size(), config.hiddenSize());
            for (int i = 0; i < own.size(); i++) {
                kernels.copy(last.rows(own.get(i), own.get(i) + 1), sent.rows(i, i + 1));
            }
            sent = sent.view(sent.size());
        }
        Lease lease =
                AllGather.run(
                        ring,
                        device,
                        frame.of(Pass.DECODE, 0, 0, 0),
                        last.dtype(),
                        sent,
                        sizes,
                        (rank, part) -> {
                            List<Integer> rows = rowsOf.get(rank);
                            Tensor some = part.view(rows.size(), config.hiddenSize());
                            for (int i = 0; i < rows.size() && rank != ring.rank(); i++) {
                                int row = rows.get(i);
                                kernels.copy(some.rows(i, i + 1), last.rows(row, row + 1));
                            }
                        });
        lease.awaitFree(ring, device);
    }

    /** How likely the tokens after this rank's own were, where somebody asks. */
    private void score(List<RankText> of, Tensor asked, List<Made.Scores> scores) {
        int at = 0;
        for (FillAttention.Tile tile : filling.asked()) {
            int n = tile.to() - tile.from();
            RankText text = of.get(tile.fill());
            Ask ask = text.join.ask();
            int to = Math.min(tile.to(), ask.prompt().length - 1);
            // A run of targets of one head after the other.
            for (int from = tile.from(), end; ask.scores() && from < to; from = end) {
                boolean code = kinds.isCode(text.ids[from + 1]);
                for (end = from + 1; end < to && kinds.isCode(text.ids[end + 1]) == code; end++) {}
                int row = at + from - tile.from();
                Tensor said = asked.rows(row, row + end - from);
                scores.add(score(text, from + 1, end + 1, code, said));
            }
            at += n;
        }
    }

    /** Of the tokens at positions [from, to), all of one head. */
    private Made.Scores score(RankText text, int from, int to, boolean code, Tensor said) {
        Modality head = code ? Modality.VISION : Modality.TEXT;
        int[] targets = Arrays.copyOfRange(text.ids, from, to);
        TokenChoice.Scored some =
                choice.score(
                        parameters,
                        head,
                        config,
                        said,
                        code ? kinds.codes(targets) : targets,
                        text.join.ask().alternatives());
        return new Made.Scores(
                text.join.text(),
                from,
                some.logprobs(),
                some.hits(),
                code ? kinds.ofCodes(some.likeliest()) : some.likeliest(),
                some.theirs());
    }
}
