package org.ringworld.model.vision;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.Json;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.model.vision.VqganLayer.Attention;
import org.ringworld.model.vision.VqganLayer.Convolution;
import org.ringworld.model.vision.VqganLayer.Down;
import org.ringworld.model.vision.VqganLayer.Norm;
import org.ringworld.model.vision.VqganLayer.Normed;
import org.ringworld.model.vision.VqganLayer.Residual;
import org.ringworld.model.vision.VqganLayer.Up;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * The sizes of a VQGAN, and the layers that follow from them.
 *
 * @param resolution pixels along a side of an image
 * @param hiddenChannels width of the first convolution
 * @param channelMult width of each level, in hiddenChannels; between levels the size halves
 * @param numResBlocks residual blocks of a level of the encoder; the decoder's have one more
 * @param attnResolutions sides at which an attention block follows each residual one
 * @param midAttention whether one stands in the middle of encoder and decoder
 * @param zChannels width of what the encoder ends in and the decoder starts with
 * @param numEmbeddings codes of the codebook
 * @param embedDim their width
 */
public record VqganConfig(
        int resolution,
        int hiddenChannels,
        List<Integer> channelMult,
        int numResBlocks,
        Set<Integer> attnResolutions,
        boolean midAttention,
        int zChannels,
        int numEmbeddings,
        int embedDim) {
    /** That of LWM: 256 × 256 pixels to 16 × 16 codes. */
    public static final VqganConfig LWM =
            new VqganConfig(256, 128, List.of(1, 2, 2, 4, 6), 2, Set.of(), false, 64, 8192, 64);

    /** Of color. */
    public static final int CHANNELS = 3;

    private static final int LARGEST = 1 << 16;
    private static final int LARGEST_SIDE = 8192;
    private static final int MOST_LEVELS = 16;
    private static final int MOST_BLOCKS = 64;

    /**
     * @throws IllegalArgumentException in one sentence, where no network has such sizes
     */
    public VqganConfig {
        channelMult = List.copyOf(channelMult);
        attnResolutions = Set.copyOf(attnResolutions);
        require(
                !channelMult.isEmpty() && channelMult.size() <= MOST_LEVELS,
                "channel_mult",
                channelMult);
        require(numResBlocks >= 1 && numResBlocks <= MOST_BLOCKS, "num_res_blocks", numResBlocks);
        size("hidden_channels", hiddenChannels);
        size("z_channels", zChannels);
        size("num_embeddings", numEmbeddings);
        size("quantized_embed_dim", embedDim);
        require(resolution >= 1 && resolution <= LARGEST_SIDE, "resolution", resolution);
        int halvings = channelMult.size() - 1;
        if (resolution >> halvings << halvings != resolution) {
            throw new IllegalArgumentException(
                    "resolution = %d cannot be halved %d times".formatted(resolution, halvings));
        }
        if (hiddenChannels % Norm.GROUPS != 0) {
            throw new IllegalArgumentException(
                    "hidden_channels = %d is no multiple of %d, the groups of its norms"
                            .formatted(hiddenChannels, Norm.GROUPS));
        }
        for (int mult : channelMult) {
            require(mult >= 1 && mult <= LARGEST / hiddenChannels, "channel_mult", channelMult);
        }
    }

    private static void size(String key, int value) {
        require(value >= 1 && value <= LARGEST, key, value);
    }

    private static void require(boolean condition, String key, Object value) {
        if (!condition) {
            throw new IllegalArgumentException("%s = %s cannot be".formatted(key, value));
        }
    }

    /** Codes along a side of an image. */
    public int grid() {
        return resolution >> channelMult.size() - 1;
    }

    private int width(int level) {
        return hiddenChannels * channelMult.get(level);
    }

    private int levels() {
        return channelMult.size();
    }

    /** From an image to what is looked up in the codebook. */
    List<VqganLayer> encoder() {
        List<VqganLayer> layers = new ArrayList<>();
        layers.add(new Convolution("encoder.Conv_0", 3, CHANNELS, hiddenChannels));
        int width = hiddenChannels;
        for (int level = 0; level < levels(); level++) {
            String name = "encoder.DownsamplingBlock_" + level;
            addBlocks(layers, name, numResBlocks, level, width);
            width = width(level);
            if (level < levels() - 1) {
                layers.add(
                        new Down(new Convolution(name + ".Downsample_0.Conv_0", 3, width, width)));
            }
        }
        addMiddle(layers, "encoder.MidBlock_0", width);
        layers.add(Normed.of("encoder.GroupNorm_0", "encoder.Conv_1", width, zChannels));
        layers.add(new Convolution("quant_conv", 1, zChannels, embedDim));
        return layers;
    }

    /** From codes' embeddings to an image. */
    List<VqganLayer> decoder() {
        List<VqganLayer> layers = new ArrayList<>();
        int width = width(levels() - 1);
        layers.add(new Convolution("post_quant_conv", 1, embedDim, zChannels));
        layers.add(new Convolution("decoder.Conv_0", 3, zChannels, width));
        addMiddle(layers, "decoder.MidBlock_0", width);
        for (int level = levels() - 1; level >= 0; level--) {
            String name = "decoder.UpsamplingBlock_" + (levels() - 1 - level);
            addBlocks(layers, name, numResBlocks + 1, level, width);
            width = width(level);
            if (level > 0) {
                layers.add(new Up(new Convolution(name + ".Upsample_0.Conv_0", 3, width, width)));
            }
        }
        layers.add(Normed.of("decoder.GroupNorm_0", "decoder.Conv_1", width, CHANNELS));
        return layers;
    }

    private void addBlocks(List<VqganLayer> layers, String name, int blocks, int level, int in) {
        for (int i = 0; i < blocks; i++) {
            int from = i == 0 ? in : width(level);
            layers.add(Residual.of(name + ".ResnetBlock_" + i, from, width(level)));
            if (attnResolutions.contains(resolution >> level)) {
                layers.add(Attention.of(name + ".AttnBlock_" + i, width(level)));
            }
        }
    }

    private void addMiddle(List<VqganLayer> layers, String name, int width) {
        layers.add(Residual.of(name + ".ResnetBlock_0", width, width));
        if (midAttention) {
            layers.add(Attention.of(name + ".AttnBlock_0", width));
        }
        layers.add(Residual.of(name + ".ResnetBlock_1", width, width));
    }

    /** Every weight. */
    public List<TensorSpec> tensors() {
        return Stream.concat(
                        Stream.concat(encoder().stream(), decoder().stream())
                                .flatMap(layer -> layer.tensors().stream()),
                        Stream.of(codebook()))
                .toList();
    }

    TensorSpec codebook() {
        return new TensorSpec("quantize.embeddings", new long[] {numEmbeddings, embedDim});
    }

    /** Operations of an image on its way to codes. */
    public double encodeFlops() {
        double search = 2.0 * grid() * grid() * numEmbeddings * embedDim;
        return VqganLayer.flops(encoder(), resolution) + search;
    }

    /** Operations of codes on their way to an image. */
    public double decodeFlops() {
        return VqganLayer.flops(decoder(), grid());
    }

    /**
     * The sizes in a {@code config.json} that is a VQGAN's; LWM's stand for what it does not give,
     * and where attention stands the weights say if it does not.
     *
     * @param names of the weights that are there
     * @throws CheckpointException where the file contradicts itself
     */
    static VqganConfig of(Path json, Set<String> names) throws CheckpointException {
        JsonNode root =
                isVqgan(json) ? Json.readObject(json) : JsonNodeFactory.instance.objectNode();
        try {
            if (integer(root, "num_channels", CHANNELS) != CHANNELS) {
                throw new IllegalArgumentException("num_channels: images have 3, red, green, blue");
            }
            if (!root.path("resample_with_conv").asBoolean(true)) {
                throw new IllegalArgumentException(
                        "resample_with_conv = false: resampling without convolutions is not supported");
            }
            VqganConfig widths =
                    new VqganConfig(
                            integer(root, "resolution", LWM.resolution),
                            integer(root, "hidden_channels", LWM.hiddenChannels),
                            integers(root, "channel_mult", LWM.channelMult),
                            integer(root, "num_res_blocks", LWM.numResBlocks),
                            Set.copyOf(integers(root, "attn_resolutions", List.of())),
                            !root.path("no_attn_mid_block").asBoolean(true),
                            integer(root, "z_channels", LWM.zChannels),
                            integer(root, "num_embeddings", LWM.numEmbeddings),
                            integer(root, "quantized_embed_dim", LWM.embedDim));
            return widths.withAttention(
                    root.hasNonNull("attn_resolutions")
                            ? widths.attnResolutions
                            : widths.attentionIn(names),
                    root.hasNonNull("no_attn_mid_block")
                            ? widths.midAttention
                            : names.contains("encoder.MidBlock_0.AttnBlock_0.Conv_0.kernel"));
        } catch (IllegalArgumentException e) {
            throw new CheckpointException(json + ": " + e.getMessage(), e);
        }
    }

    /** A VQGAN often lies beside a transformer and its config.json. */
    static boolean isVqgan(Path json) throws CheckpointException {
        if (!Files.exists(json)) {
            return false;
        }
        JsonNode root = Json.readObject(json);
        return root.has("hidden_channels") || root.has("channel_mult");
    }

    /** Sides at which the weights have attention. */
    private Set<Integer> attentionIn(Set<String> names) {
        Set<Integer> sides = new TreeSet<>();
        for (int level = 0; level < levels(); level++) {
            String block = "encoder.DownsamplingBlock_" + level + ".AttnBlock_0.Conv_0.kernel";
            if (names.contains(block)) {
                sides.add(resolution >> level);
            }
        }
        return sides;
    }

    private VqganConfig withAttention(Set<Integer> sides, boolean middle) {
        return new VqganConfig(
                resolution,
                hiddenChannels,
                channelMult,
                numResBlocks,
                sides,
                middle,
                zChannels,
                numEmbeddings,
                embedDim);
    }

    private static int integer(JsonNode root, String key, int otherwise) {
        JsonNode value = root.path(key);
        if (value.isMissingNode() || value.isNull()) {
            return otherwise;
        }
        if (!value.isIntegralNumber() || !value.canConvertToInt()) {
            throw new IllegalArgumentException(
                    key + " = " + Json.shortened(value) + " is not an integer of 32 bits");
        }
        return value.intValue();
    }

    private static List<Integer> integers(JsonNode root, String key, List<Integer> otherwise) {
        JsonNode value = root.path(key);
        if (value.isMissingNode() || value.isNull()) {
            return otherwise;
        }
        boolean listed =
                value.isArray()
                        && value.valueStream()
                                .allMatch(v -> v.isIntegralNumber() && v.canConvertToInt());
        if (!listed) {
            throw new IllegalArgumentException(
                    key + " = " + Json.shortened(value) + " is not a list of integers");
        }
        return IntStream.range(0, value.size()).mapToObj(i -> value.get(i).intValue()).toList();
    }

    /** As {@link #of} reads it. */
    String json() {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("model_type", "vqgan");
        json.put("resolution", resolution);
        json.put("num_channels", CHANNELS);
        json.put("hidden_channels", hiddenChannels);
        channelMult.forEach(json.putArray("channel_mult")::add);
        json.put("num_res_blocks", numResBlocks);
        List<Integer> sides = new ArrayList<>(attnResolutions);
        Collections.sort(sides);
        sides.forEach(json.putArray("attn_resolutions")::add);
        json.put("no_attn_mid_block", !midAttention);
        json.put("z_channels", zChannels);
        json.put("num_embeddings", numEmbeddings);
        json.put("quantized_embed_dim", embedDim);
        return Json.pretty(json);
    }
}
