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
     * @param last is given what the model says after the last token of those that are written on
     */
    void run(
            Frame frame,
            List<FillAttention.Fill> reads,
            List<RankText> of,
            List<RankText> writes,
            Tensor last,
            List<Made.Scores> scores) {
        Workspace.Mark mark = scratch.mark();
        List<FillAttention.Tile> tiles = filling.begin(reads, frame, scratch);
        int n = tiles.stream().mapToInt(tile -> tile.to() - tile.from()).sum();
        Tensor x = null;
        if (n > 0) {
            x = scratch.take(parameters.dtype(), n, config.hiddenSize());
            int[] ids = new int[n];
            int row = 0;
            for (FillAttention.Tile tile : tiles) {
                int count = tile.to() - tile.from();
                System.arraycopy(of.get(tile.fill()).ids, tile.from(), ids, row, count);
                row += count;
            }
            kernels.embedding(choice.ints(ids), parameters.embedding(Modality.TEXT), x);
            RotaryEmbedding.Angles angles =
                    RotaryEmbedding.angles(kernels, config, filling.positions(), scratch);
            for (DecoderLayer layer : layers) {
                layer.forward(x, angles, filling);
            }
        } else {
            for (int layer = 0; layer < config.numLayers(); layer++) {
                filling.help(layer);
            }
        }
        lastRows(reads, of, tiles, x, writes, last, frame);
        score(of, tiles, x, scores);
        scratch.release(mark);
    }

    /** The rank that has a text's last token gives what it made of it to all. */
    private void lastRows(
            List<FillAttention.Fill> reads,
            List<RankText> of,
            List<FillAttention.Tile> tiles,
            Tensor x,
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
        for (FillAttention.Tile tile : tiles) {
            at += tile.to() - tile.from();
            RankText text = of.get(tile.fill());
            int row = tile.to() == text.length ? writes.indexOf(text) : -1;
            if (row >= 0) {
                kernels.copy(x.rows(at - 1, at), last.rows(row, row + 1));
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
    private void score(
            List<RankText> of, List<FillAttention.Tile> tiles, Tensor x, List<Made.Scores> scores) {
        int at = 0;
        for (FillAttention.Tile tile : tiles) {
            int n = tile.to() - tile.from();
            RankText text = of.get(tile.fill());
            int prompt = text.join.ask().prompt().length;
            int to = Math.min(tile.to(), prompt - 1);
            if (text.join.ask().scores() && to > tile.from()) {
                int[] targets = Arrays.copyOfRange(text.ids, tile.from() + 1, to + 1);
                float[] logprobs =
                        choice.score(parameters, config, x.rows(at, at + targets.length), targets);
                scores.add(new Made.Scores(text.join.text(), tile.from() + 1, logprobs));
            }
            at += n;
        }
    }
}
