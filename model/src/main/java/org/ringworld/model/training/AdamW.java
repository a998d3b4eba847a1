package org.ringworld.model.training;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.ringworld.model.layers.WholeParameters;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Kernels;
import org.ringworld.runtime.Tensor;

/**
 * AdamW with decoupled weight decay (Loshchilov and Hutter 2019) and clipping by global norm.
 *
 * @param weightDecay per update, times the learning rate; norms do not decay
 * @param clipNorm greatest L2 norm of all gradients together; 0 does not clip
 */
public record AdamW(
        LearningRate learningRate,
        double beta1,
        double beta2,
        double eps,
        double weightDecay,
        double clipNorm) {

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
            boolean decays = parameters.specs().get(i).shape().length > 1;
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

    /** L2 norm of all weights together, as they are kept. */
    static double paramNorm(WholeParameters parameters, Device device, Tensor sum) {
        double all = 0;
        for (int i = 0; i < parameters.specs().size(); i++) {
            all += sumOfSquares(parameters.master(i), device, sum);
        }
        return Math.sqrt(all);
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
