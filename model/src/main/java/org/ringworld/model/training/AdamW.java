package org.ringworld.model.training;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.model.layers.WholeParameters;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Tensor;

/**
 * AdamW with decoupled weight decay (Loshchilov and Hutter 2019) and clipping by global norm.
 *
 * @param weightDecay per update, times the learning rate
 * @param clipNorm greatest L2 norm of all gradients together; 0 does not clip
 * @param decayNorms whether the weights of norms decay, too
 * @param firstMoment dtype in which the means of gradients are kept, F32 or BF16
 * @param train names of the parameters that are trained, in which {@code *} stands for anything;
 *     the others stay as they are; none: all are trained
 */
public record AdamW(
        LearningRate learningRate,
        double beta1,
        double beta2,
        double eps,
        double weightDecay,
        double clipNorm,
        boolean decayNorms,
        DType firstMoment,
        List<String> train) {

    public AdamW {
        train = List.copyOf(train);
    }

    /** Of all parameters, of which norms do not decay. */
    public AdamW(
            LearningRate learningRate,
            double beta1,
            double beta2,
            double eps,
            double weightDecay,
            double clipNorm) {
        this(learningRate, beta1, beta2, eps, weightDecay, clipNorm, false, DType.F32, List.of());
    }

    /** Whether a parameter of that name is trained. */
    public boolean trains(String name) {
        return train.isEmpty() || train.stream().anyMatch(pattern -> matches(pattern, name));
    }

    /** Whether a pattern, in which {@code *} stands for anything, is a name's. */
    public static boolean matches(String pattern, String name) {
        return Pattern.matches(
                Arrays.stream(pattern.split("\\*", -1))
                        .map(Pattern::quote)
                        .collect(Collectors.joining(".*")),
                name);
    }

    /** What is not trained has no gradient: it counts for nothing where gradients are clipped. */
    void freeze(WholeParameters parameters, Device device) {
        for (int i = 0; i < parameters.specs().size(); i++) {
            if (!trains(parameters.specs().get(i).name())) {
                device.kernels().fill(parameters.gradient(i), 0);
            }
        }
    }

    /**
     * Updates all weights from the whole, reduced gradient.
     *
     * @param rate this update's learning rate
     * @param update counts from 1 through all stages, for the bias corrections
     * @param norm the gradient's norm
     */
    void update(WholeParameters parameters, Device device, double rate, long update, double norm) {
        double clip = clipNorm > 0 && norm > clipNorm ? clipNorm / norm : 1;
        for (int i = 0; i < parameters.specs().size(); i++) {
            TensorSpec spec = parameters.specs().get(i);
            if (!trains(spec.name())) {
                continue;
            }
            boolean decays = decayNorms || spec.shape().length > 1;
            device.kernels()
                    .adamW(
                            parameters.master(i),
                            parameters.gradient(i),
                            parameters.firstMoment(i),
                            parameters.secondMoment(i),
                            parameters.hasMasters() ? parameters.weight(i) : null,
                            new Kernels.AdamWStep(
                                    (float) rate,
                                    (float) beta1,
                                    (float) beta2,
                                    (float) eps,
                                    decays ? (float) weightDecay : 0,
                                    (float) clip,
                                    update));
        }
    }

    /** L2 norm of all gradients together. */
    static double norm(WholeParameters parameters, Device device, Tensor sum) {
        return Math.sqrt(sumOfSquares(parameters.gradients().all(), device, sum));
    }

    /** L2 norm of all weights together. */
    static double paramNorm(WholeParameters parameters, Device device, Tensor sum) {
        return Math.sqrt(sumOfSquares(parameters.masters(), device, sum));
    }

    private static double sumOfSquares(Tensor x, Device device, Tensor sum) {
        device.kernels().sumOfSquares(x, sum);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(DType.F32.bytes(), 64);
            device.copyOut(sum, host);
            return host.get(ValueLayout.JAVA_FLOAT, 0);
        }
    }
}
