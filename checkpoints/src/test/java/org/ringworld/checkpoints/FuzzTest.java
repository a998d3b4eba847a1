package org.ringworld.checkpoints;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.snapshot.Snapshot;
import org.ringworld.checkpoints.snapshot.SnapshotFile;
import org.ringworld.runtime.DType;

/** Damaged files give a sentence that names them, or load; nothing else is thrown. */
class FuzzTest {
    private static final byte[] TELLING = {0, 1, 0x7f, (byte) 0x80, (byte) 0xff};

    @TempDir Path tmp;

    static List<String> originals() {
        return List.of(
                "ok_half_kinds.safetensors",
                "strided.bin",
                "kinds.bin",
                "tied_shared_storage.bin",
                "new_dtypes.bin",
                "f16_without_crc.bin",
                "streaming_params_bf16",
                "flax_params",
                "snapshot.pb",
                "config.json",
                "model.safetensors.index.json");
    }

    @ParameterizedTest
    @MethodSource("originals")
    void aFewDamagedFiles(String name) throws Exception {
        damageAndOpen(name, 300);
    }

    @Tag("slow")
    @ParameterizedTest
    @MethodSource("originals")
    void tenThousandDamagedFiles(String name) throws Exception {
        damageAndOpen(name, 10_000);
    }

    private void damageAndOpen(String name, int files) throws Exception {
        byte[] whole = Files.readAllBytes(original(name));
        if (name.endsWith(".bin")) {
            forgetChecksums(whole);
        }
        Path file = tmp.resolve(name);
        Random random = new Random(name.hashCode());
        int refused = 0;
        for (int i = 0; i < files; i++) {
            byte[] damaged = damaged(whole, random);
            if (name.equals("snapshot.pb") && random.nextInt(8) > 0) {
                seal(damaged);
            }
            Files.write(file, damaged);
            Throwable fault = catchThrowable(() -> open(file));
            if (fault != null) {
                assertThat(fault)
                        .as("file %d of %s", i, name)
                        .isInstanceOf(CheckpointException.class);
                assertThat(fault.getMessage()).startsWith(tmp.toString()).doesNotContain("\n\tat ");
                refused++;
            }
        }
        assertThat(refused).as("some damage is seen").isPositive();
    }

    private Path original(String name) throws Exception {
        String format = "reports/format/";
        return switch (name) {
            case "new_dtypes.bin", "f16_without_crc.bin" -> Resources.path("torch2.13/" + name);
            case "streaming_params_bf16" -> Resources.path(format + "lwm/" + name);
            case "flax_params" -> Resources.path("flax/" + name);
            case "config.json" -> Resources.path(format + "sharded_stray_file/" + name);
            case "model.safetensors.index.json" -> {
                Path from = Resources.path(format + "sharded_stray_file");
                for (String shard : new String[] {"1", "2"}) {
                    String file = "model-0000" + shard + "-of-00002.safetensors";
                    Files.copy(from.resolve(file), tmp.resolve(file));
                }
                Files.copy(from.resolve("config.json"), tmp.resolve("config.json"));
                yield from.resolve(name);
            }
            case "snapshot.pb" -> {
                Files.writeString(tmp.resolve("weights"), "some bytes");
                SnapshotFile.write(
                        tmp,
                        new Snapshot.Position(
                                9, 1, 2, 9, 4096, 3, 7, "seed = 7", 2, "zigzag", List.of()),
                        Map.of());
                yield tmp.resolve(name);
            }
            default -> Resources.path(format + name);
        };
    }

    /** One to four bytes changed, and perhaps a piece left out, repeated or cut off. */
    private static byte[] damaged(byte[] whole, Random random) {
        byte[] bytes = whole.clone();
        // Headers are short and at one end: half of the damage goes there.
        int near = random.nextBoolean() ? bytes.length : Math.min(bytes.length, 700);
        boolean atEnd = random.nextInt(4) == 0;
        for (int changes = random.nextInt(4); changes >= 0; changes--) {
            int from = random.nextInt(near);
            int at = atEnd ? bytes.length - 1 - from : from;
            if (random.nextBoolean()) {
                bytes[at] ^= (byte) (1 << random.nextInt(8));
            } else {
                bytes[at] = TELLING[random.nextInt(TELLING.length)];
            }
        }
        int cut = random.nextInt(bytes.length);
        return switch (random.nextInt(8)) {
            case 0 -> Arrays.copyOf(bytes, cut);
            case 1 -> {
                int length = random.nextInt(Math.min(16, bytes.length - cut + 1));
                byte[] shorter = Arrays.copyOf(bytes, bytes.length - length);
                System.arraycopy(bytes, cut + length, shorter, cut, bytes.length - cut - length);
                yield shorter;
            }
            case 2 -> {
                byte[] longer = Arrays.copyOf(bytes, bytes.length + 16);
                System.arraycopy(bytes, cut, longer, cut + 16, bytes.length - cut);
                yield longer;
            }
            default -> bytes;
        };
    }

    /** Sets every CRC-32 of a zip's directory to "not recorded", so that damage gets past it. */
    private static void forgetChecksums(byte[] zip) {
        ByteBuffer bytes = ByteBuffer.wrap(zip).order(ByteOrder.LITTLE_ENDIAN);
        for (int at = 0; at + 46 <= zip.length; at++) {
            if (bytes.getInt(at) == 0x02014b50) {
                bytes.putInt(at + 16, 0);
            }
        }
    }

    /** The right checksum, so that damage gets past it. */
    private static void seal(byte[] snapshot) {
        int body = snapshot.length - 5;
        if (body >= 0) {
            CRC32C crc = new CRC32C();
            crc.update(snapshot, 0, body);
            ByteBuffer.wrap(snapshot)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .put(body, (byte) 0x7d)
                    .putInt(body + 1, (int) crc.getValue());
        }
    }

    private static void open(Path file) throws Exception {
        switch (file.getFileName().toString()) {
            case "snapshot.pb" ->
                    SnapshotFile.progress(file.getParent(), SnapshotFile.read(file.getParent()));
            case "config.json" -> LlamaConfig.fromJson(file);
            case "model.safetensors.index.json" -> ModelFiles.open(file.getParent()).close();
            default -> {
                Inspection.of(file);
                readAll(file);
            }
        }
    }

    private static void readAll(Path file) throws Exception {
        try (WeightFiles weights = WeightFiles.open(file, 4)) {
            for (var entry : weights.fileOf().entrySet()) {
                StridedTensor tensor = entry.getValue().tensor(entry.getKey());
                // An expanded view may be of any size; it takes memory only where it is read.
                if (tensor.type().isValue() && tensor.count() < 1 << 16) {
                    float[] values = new float[(int) tensor.count()];
                    MemorySegment to = MemorySegment.ofArray(values);
                    entry.getValue().read(entry.getKey(), DType.F32, to);
                }
            }
        }
    }
}
