package org.ringworld.actors.serving;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.ringworld.actors.http.ServedText;
import org.ringworld.actors.job.Jobs;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.hf.HfDirectory;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.attention.ZigzagLayout;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Engine;
import org.ringworld.model.decode.LocalEngine;
import org.ringworld.model.decode.Made;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.decode.ServedModel;
import org.ringworld.model.layers.WholeParameters;
import org.ringworld.model.training.rank.Inference;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.CpuDevice;

/** A model of {@link Jobs#MODEL} with random weights, on disk. */
public record SavedModel(Path path) {
    private static final int CAPACITY = 1 << 13;

    /** Writes one, unless it is there. */
    public static SavedModel in(Path directory) throws Exception {
        return in(directory, Jobs.MODEL);
    }

    /** Likewise, of other sizes. */
    public static SavedModel in(Path directory, LlamaConfig config) throws Exception {
        Path model = directory.resolve("model");
        if (!Files.exists(model)) {
            write(model, config);
        }
        return new SavedModel(model);
    }

    private static void write(Path model, LlamaConfig config) throws Exception {
        try (Device device = new CpuDevice(1);
                WholeParameters whole = new WholeParameters(device, config, DType.F32);
                Arena arena = Arena.ofConfined()) {
            whole.initialize(3, 0.3);
            HfDirectory.write(
                    model,
                    config,
                    DType.F32,
                    whole.specs(),
                    spec -> {
                        Tensor weight = whole.weight(whole.specs().indexOf(spec));
                        MemorySegment host = arena.allocate(weight.bytes(), 64);
                        device.copyOut(weight, host);
                        return host;
                    },
                    _ -> {},
                    Fence.claim(model.getParent()),
                    1 << 20);
        }
    }

    /** As a front has it whose clients give tokens. */
    public static ServedText served(OfferedModel offered, Engine engine) {
        return new ServedText(
                offered.name(), engine, null, null, Jobs.MODEL.vocabSize(), CAPACITY, 0, null);
    }

    /** To write texts with, on so many devices. */
    public Inference on(int ringSize) {
        return new Inference(
                path,
                Jobs.MODEL,
                ServedModel.Options.of(DType.F32),
                ringSize,
                new ZigzagLayout(),
                false,
                true);
    }

    /** A prompt of random tokens, to be gone on with greedily. */
    static Ask ask(int seed, int prompt, int most) {
        int[] ids = new SplittableRandom(seed).ints(prompt, 0, Jobs.MODEL.vocabSize()).toArray();
        return new Ask(ids, most, Sampler.GREEDY, Set.of(), 2, 1);
    }

    static List<Made.Token> tokens(Answer answer) throws InterruptedException {
        List<Made.Token> tokens = new ArrayList<>();
        for (Made.Token next = answer.next(); next != null; next = answer.next()) {
            tokens.add(next);
        }
        return tokens;
    }

    /** What one device writes alone. */
    List<Made.Token> alone(Ask ask) throws Exception {
        try (Engine engine =
                        new LocalEngine(
                                new CpuDevice(1),
                                ModelFiles.open(path),
                                Jobs.MODEL,
                                ServedModel.Options.of(DType.F32),
                                CAPACITY);
                Answer answer = engine.ask(ask)) {
            return tokens(answer);
        }
    }
}
