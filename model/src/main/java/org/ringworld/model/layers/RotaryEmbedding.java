package org.ringworld.model.layers;

import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.RopeScaling;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.Workspace;

/**
 * Rotary position embedding (Su et al. 2021): the frequencies of a model and its tokens' angles,
 * formed in F64.
 */
public final class RotaryEmbedding {
    private RotaryEmbedding() {}

    /** cos and sin of each token's angles, F32 [S,D/2], scaled as the checkpoint's scaling says. */
    public record Angles(Tensor cos, Tensor sin) {
        Angles rows(long from, long to) {
            return new Angles(cos.rows(from, to), sin.rows(from, to));
        }
    }

    /**
     * @param positions I32 [S]
     */
    public static Angles angles(
            Kernels kernels, LlamaConfig config, Tensor positions, Workspace workspace) {
        long half = config.headDim() / 2;
        Tensor cos = workspace.take(DType.F32, positions.size(), half);
        Tensor sin = workspace.take(DType.F32, positions.size(), half);
        double scale = config.ropeScaling().attentionScale();
        kernels.rotaryAngles(positions, inverseFrequencies(config), scale, cos, sin);
        return new Angles(cos, sin);
    }

    /** Angle per position of each pair [headDim/2]: theta^(−2i/headDim), scaled as configured. */
    public static double[] inverseFrequencies(LlamaConfig config) {
        double[] inverse = new double[config.headDim() / 2];
        for (int i = 0; i < inverse.length; i++) {
            double frequency = Math.pow(config.ropeTheta(), -2.0 * i / config.headDim());
            inverse[i] = scaled(frequency, i, config);
        }
        return inverse;
    }

    private static double scaled(double frequency, int pair, LlamaConfig config) {
        return switch (config.ropeScaling()) {
            case RopeScaling.None() -> frequency;
            case RopeScaling.Linear(double factor) -> frequency / factor;
            case RopeScaling.Llama3(double factor, double low, double high, int original) -> {
                // Llama 3.1: long waves are stretched by the factor, short ones kept, and those
                // between are blended by how often they turn within the original context.
                double turns = original * frequency / (2 * Math.PI);
                double blend = Math.clamp((turns - low) / (high - low), 0, 1);
                yield (1 - blend) * frequency / factor + blend * frequency;
            }
            case RopeScaling.Yarn yarn -> {
                double kept = 1 - yarnRamp(yarn, pair, config);
                yield (1 - kept) * frequency / yarn.factor() + kept * frequency;
            }
        };
    }

    /** YaRN's 0 … 1 over the pairs between the one that turns betaFast times and betaSlow's. */
    private static double yarnRamp(RopeScaling.Yarn yarn, int pair, LlamaConfig config) {
        double low = pairThatTurns(yarn.betaFast(), yarn, config);
        double high = pairThatTurns(yarn.betaSlow(), yarn, config);
        if (yarn.truncate()) {
            low = Math.floor(low);
            high = Math.ceil(high);
        }
        low = Math.max(low, 0);
        high = Math.min(high, config.headDim() - 1);
        // Transformers' guard against a ramp of no length.
        double length = low == high ? 0.001 : high - low;
        return Math.clamp((pair - low) / length, 0.0, 1.0);
    }

    private static double pairThatTurns(double turns, RopeScaling.Yarn yarn, LlamaConfig config) {
        double wavelengths = yarn.originalMaxPositionEmbeddings() / (turns * 2 * Math.PI);
        return config.headDim() * Math.log(wavelengths) / (2 * Math.log(config.ropeTheta()));
    }
}
