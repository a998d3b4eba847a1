package org.ringworld.model.vision;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.DeviceSpec;
import org.ringworld.runtime.Devices;

/**
 * A tokenizer on each device of a ring: frames are spread over them, a batch at a time, and come
 * out in their order. However many there are, each device holds one batch of them.
 */
public final class TokenizerRing implements AutoCloseable {
    /** Pixels of a batch: frames of LWM's size one at a time, which is work enough for a device. */
    private static final int BATCH_PIXELS = 256 * 256;

    private final List<Device> devices;
    private final List<ImageTokenizer> tokenizers;

    private TokenizerRing(List<Device> devices, List<ImageTokenizer> tokenizers) {
        this.devices = devices;
        this.tokenizers = tokenizers;
    }

    /**
     * Opens the devices, and on each of them the same tokenizer: {@link ImageTokenizer#open}.
     *
     * @throws CheckpointException where it cannot be used as it is
     */
    public static TokenizerRing open(Path path, List<DeviceSpec> specs, DType dtype)
            throws CheckpointException {
        return of(Devices.open(specs), device -> ImageTokenizer.open(path, device, dtype));
    }

    /** Puts the same tokenizer on a device. */
    @FunctionalInterface
    public interface Opener {
        /** Opens it there. */
        ImageTokenizer on(Device device) throws CheckpointException;
    }

    /** The same on devices that are open, which it closes with itself. */
    public static TokenizerRing of(List<Device> devices, Opener opener) throws CheckpointException {
        List<ImageTokenizer> tokenizers = new ArrayList<>();
        try {
            for (Device device : devices) {
                tokenizers.add(opener.on(device));
            }
            return new TokenizerRing(devices, tokenizers);
        } catch (CheckpointException | RuntimeException | Error e) {
            devices.forEach(Device::close);
            throw e;
        }
    }

    /** What the tokenizers are; to be asked for sizes alone. */
    public ImageTokenizer tokenizer() {
        return tokenizers.getFirst();
    }

    /** Frames of a batch. */
    private int batch() {
        int side = tokenizer().resolution();
        return Math.max(1, BATCH_PIXELS / (side * side));
    }

    /**
     * Frames to codes.
     *
     * @param frames each [resolution, resolution, 3] in [-1, 1]
     * @param codes takes each frame's, [grid, grid], in their order
     */
    public void encode(Iterator<float[]> frames, Consumer<int[]> codes)
            throws InterruptedException {
        spread(frames, codes, TokenizerRing::encoded);
    }

    /**
     * Codes to frames.
     *
     * @param codes of each frame, [grid, grid]
     * @param frames takes each, [resolution, resolution, 3] in [-1, 1], in their order
     */
    public void decode(Iterator<int[]> codes, Consumer<float[]> frames)
            throws InterruptedException {
        spread(codes, frames, TokenizerRing::decoded);
    }

    private static List<int[]> encoded(ImageTokenizer tokenizer, List<float[]> frames) {
        int each = tokenizer.pixels();
        float[] images = new float[frames.size() * each];
        for (int i = 0; i < frames.size(); i++) {
            System.arraycopy(frames.get(i), 0, images, i * each, each);
        }
        int[] codes = tokenizer.encode(images);
        int n = tokenizer.tokens();
        List<int[]> one = new ArrayList<>();
        for (int at = 0; at < codes.length; at += n) {
            one.add(Arrays.copyOfRange(codes, at, at + n));
        }
        return one;
    }

    private static List<float[]> decoded(ImageTokenizer tokenizer, List<int[]> frames) {
        int[] codes = frames.stream().flatMapToInt(Arrays::stream).toArray();
        float[] images = tokenizer.decode(codes);
        int n = tokenizer.pixels();
        List<float[]> one = new ArrayList<>();
        for (int at = 0; at < images.length; at += n) {
            one.add(Arrays.copyOfRange(images, at, at + n));
        }
        return one;
    }

    private <A, B> void spread(
            Iterator<A> in, Consumer<B> out, BiFunction<ImageTokenizer, List<A>, List<B>> code)
            throws InterruptedException {
        OrderedBatches<A, B> line = new OrderedBatches<>(in, batch(), out);
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < devices.size(); i++) {
            ImageTokenizer tokenizer = tokenizers.get(i);
            Runnable body = () -> line.work(frames -> code.apply(tokenizer, frames));
            threads.add(devices.get(i).newThread("vision-" + i, body));
        }
        threads.forEach(Thread::start);
        for (Thread thread : threads) {
            join(thread, line);
        }
        line.rethrow();
    }

    /** Whoever is interrupted still waits for the kernels that run, and for no more. */
    private static void join(Thread thread, OrderedBatches<?, ?> line) {
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                line.fail(e);
            }
        }
    }

    /** Gives back all devices. */
    @Override
    public void close() {
        tokenizers.forEach(ImageTokenizer::close);
        devices.forEach(Device::close);
    }
}
