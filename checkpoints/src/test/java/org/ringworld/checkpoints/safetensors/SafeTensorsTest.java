package org.ringworld.checkpoints.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.Resources;
import org.ringworld.checkpoints.SourceType;
import org.ringworld.runtime.DType;
import tools.jackson.databind.JsonNode;

class SafeTensorsTest {
    @TempDir Path tmp;

    static Stream<JsonNode> reports() {
        return Resources.json("reports/format/safetensors.expected.json").valueStream();
    }

    @ParameterizedTest
    @MethodSource("reports")
    void reportedFilesAreReadOrRefused(JsonNode report) throws Exception {
        Path file = Resources.path("reports/format/" + report.path("file").asString());
        if (report.path("expect").asString().equals("error")) {
            assertThatThrownBy(() -> SafeTensors.open(file))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageStartingWith(file.toString());
            return;
        }
        try (SafeTensors tensors = SafeTensors.open(file)) {
            for (Map.Entry<String, JsonNode> tensor : report.path("tensors").properties()) {
                String name = tensor.getKey();
                if (name.endsWith(".shape")) {
                    long[] shape =
                            tensor.getValue().valueStream().mapToLong(JsonNode::asLong).toArray();
                    String of = name.substring(0, name.length() - ".shape".length());
                    assertThat(tensors.info(of).shape()).isEqualTo(shape);
                    assertThat(tensors.info(of).count()).isZero();
                    continue;
                }
                List<Float> expected = new ArrayList<>();
                flatten(tensor.getValue(), expected);
                assertThat(values(tensors, name)).isEqualTo(expected);
            }
        }
    }

    private static List<Float> values(SafeTensors tensors, String name) throws Exception {
        List<Float> values = new ArrayList<>();
        if (tensors.info(name).type().isValue()) {
            for (float v : tensors.readFloats(name)) {
                values.add(v);
            }
        } else {
            for (int v : tensors.readInts(name)) {
                values.add((float) v);
            }
        }
        return values;
    }

    private static void flatten(JsonNode node, List<Float> into) {
        if (node.isArray()) {
            node.forEach(n -> flatten(n, into));
        } else {
            into.add(Float.parseFloat(node.asString().replace("inf", "Infinity")));
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "bad_duplicate_key|'a' is there twice",
                "bad_overlap|share bytes",
                "bad_short_data|ends 8 bytes early, in tensor 'a'",
                "bad_shape_overflow|more elements than 64 bits",
                "bad_negative_dim|shape holds -1",
                "bad_header_length_huge|header would be 9223372036854775807 bytes",
                "bad_seven_bytes|7 bytes are too few",
                "bad_lfs_pointer|git lfs pull",
            })
    void faultsAreNamed(String file, String words) {
        assertThatThrownBy(
                        () ->
                                SafeTensors.open(
                                        Resources.path("reports/format/" + file + ".safetensors")))
                .hasMessageContaining(words);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}|belong to no tensor",
                "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}|4 bytes after the last",
                "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,0]}}|ends before it begins",
                "{\"a\":{\"dtype\":\"U8\",\"shape\":[7],\"data_offsets\":[0,8]}}|is 7 bytes by its shape",
                "{\"a\":{\"dtype\":\"F4\",\"shape\":[15],\"data_offsets\":[0,8]}}|by its shape",
                "{\"a\":{\"dtype\":\"Q9\",\"shape\":[8],\"data_offsets\":[0,8]}}|unknown dtype Q9",
                "{\"a\":{\"dtype\":\"U8\",\"shape\":[8.0],\"data_offsets\":[0,8]}}|shape holds 8.0",
                "{\"a\":{\"dtype\":\"U8\",\"shape\":[8]}}|lacks",
                "{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"shape\":[8],\"data_offsets\":[0,8]}}|shape twice",
                "{\"a\":{\"dtype\":\"U8\",\"shape\":[99999999999999999999],\"data_offsets\":[0,8]}}|63 bits",
                "{\"a\":{\"dtype\":\"U8\",\"shape\":[0,9223372036854775807,9],\"data_offsets\":[0,0]}}|64 bits",
                "{\"__metadata__\":{\"a\":1}}|string for 'a'",
                "{} {}|goes on after",
                "[]|holds no object",
                "{\"a\":|not valid JSON",
            })
    void hostileHeadersAreRefused(String header, String words) throws Exception {
        Path file = tmp.resolve("hostile.safetensors");
        Files.write(file, bytes(header, 8));
        assertThatThrownBy(() -> SafeTensors.open(file))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining(words);
    }

    @Test
    void manyAxesAndDeepNestingAreRefusedNotHeld() throws Exception {
        Path file = tmp.resolve("hostile.safetensors");
        String axes = "1,".repeat(1_000_000) + "1";
        Files.write(file, bytes("{\"a\":{\"dtype\":\"U8\",\"shape\":[" + axes + "]}}", 1));
        assertThatThrownBy(() -> SafeTensors.open(file)).isInstanceOf(CheckpointException.class);
        Files.write(file, bytes("{\"a\":{\"x\":" + "[".repeat(1_000_000), 1));
        assertThatThrownBy(() -> SafeTensors.open(file)).isInstanceOf(CheckpointException.class);
    }

    private static byte[] bytes(String header, int dataBytes) {
        byte[] text = header.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(8 + text.length + dataBytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(text.length)
                .put(text)
                .array();
    }

    @Test
    void damagedFilesGiveASentenceOrTheirOwnValuesNothingElse() throws Exception {
        Path file = tmp.resolve("f.safetensors");
        write(file);
        byte[] whole = Files.readAllBytes(file);
        Random random = new Random(5);
        for (int i = 0; i < 800; i++) {
            byte[] damaged = whole.clone();
            for (int flips = random.nextInt(4); flips >= 0; flips--) {
                damaged[random.nextInt(damaged.length)] ^= (byte) (1 << random.nextInt(8));
            }
            if (i % 2 == 0) {
                damaged = Arrays.copyOf(damaged, random.nextInt(damaged.length + 9));
            }
            Files.write(file, damaged);
            Throwable fault =
                    catchThrowable(
                            () -> {
                                try (SafeTensors tensors = SafeTensors.open(file)) {
                                    for (String name : tensors.names()) {
                                        values(tensors, name);
                                    }
                                }
                            });
            if (fault != null) {
                assertThat(fault).isInstanceOf(CheckpointException.class);
                assertThat(fault).hasMessageStartingWith(file.toString());
            }
        }
    }

    private static void write(Path file) throws CheckpointException {
        List<SafeTensorsWriter.Entry> entries =
                List.of(
                        new SafeTensorsWriter.Entry("d", SourceType.F64, new long[] {3}),
                        new SafeTensorsWriter.Entry("f", SourceType.F32, new long[] {1, 3}),
                        new SafeTensorsWriter.Entry("none", SourceType.F32, new long[] {0, 3}),
                        new SafeTensorsWriter.Entry("b", SourceType.BF16, new long[] {2, 2}),
                        new SafeTensorsWriter.Entry("l", SourceType.I64, new long[] {2}),
                        new SafeTensorsWriter.Entry("i", SourceType.I32, new long[] {}),
                        new SafeTensorsWriter.Entry("u", SourceType.BOOL, new long[] {3}));
        try (SafeTensorsWriter writer = SafeTensorsWriter.create(file, entries, Map.of("k", "v"))) {
            writer.write("d", MemorySegment.ofArray(new double[] {1e300, -0.0, 1.5}));
            writer.write("f", MemorySegment.ofArray(new float[] {1, 1.00390625f, -3}));
            writer.write("none", MemorySegment.ofArray(new float[0]));
            writer.write("b", MemorySegment.ofArray(new short[] {0x3f80, 0x4000, 0x7fc0, 1}));
            writer.append("l", MemorySegment.ofArray(new long[] {-1}));
            writer.append("l", MemorySegment.ofArray(new long[] {Integer.MAX_VALUE}));
            writer.write("i", MemorySegment.ofArray(new int[] {42}));
            writer.write("u", MemorySegment.ofArray(new byte[] {0, 1, (byte) 200}));
            writer.finish();
        }
    }

    @Test
    void everyTypeIsWrittenAndReadBack() throws Exception {
        Path file = tmp.resolve("types.safetensors");
        write(file);
        try (SafeTensors tensors = SafeTensors.open(file)) {
            assertThat(tensors.names()).containsExactly("d", "f", "none", "b", "l", "i", "u");
            assertThat(tensors.metadata()).containsExactly(Map.entry("k", "v"));
            assertThat(tensors.readFloats("d"))
                    .containsExactly(Float.POSITIVE_INFINITY, -0.0f, 1.5f);
            assertThat(tensors.readFloats("b"))
                    .containsExactly(1, 2, Float.NaN, DType.fromBf16((short) 1));
            short[] bf16 = new short[3];
            tensors.read("f", DType.BF16, MemorySegment.ofArray(bf16));
            assertThat(bf16).containsExactly((short) 0x3f80, (short) 0x3f80, (short) 0xc040);
            assertThat(tensors.readInts("l")).containsExactly(-1, Integer.MAX_VALUE);
            assertThat(tensors.readInts("i")).containsExactly(42);
            assertThat(tensors.readInts("u")).containsExactly(0, 1, 200);
            assertThatThrownBy(() -> tensors.readFloats("l")).hasMessageContaining("is I64 where");
            assertThatThrownBy(() -> tensors.readInts("f")).hasMessageContaining("is F32 where");
            assertThatThrownBy(() -> tensors.info("z")).hasMessageContaining("no tensor 'z'");
        }
    }

    @Test
    void numbersOverManyChunksAreConverted() throws Exception {
        Path file = tmp.resolve("long.safetensors");
        int n = 3 * 8192 + 5;
        float[] values = new float[n];
        Random random = new Random(2);
        for (int i = 0; i < n; i++) {
            values[i] = (float) random.nextGaussian();
        }
        List<SafeTensorsWriter.Entry> entries =
                List.of(new SafeTensorsWriter.Entry("x", SourceType.F32, new long[] {n}));
        try (SafeTensorsWriter writer = SafeTensorsWriter.create(file, entries, Map.of())) {
            writer.write("x", MemorySegment.ofArray(values));
            writer.finish();
        }
        try (SafeTensors tensors = SafeTensors.open(file)) {
            short[] bf16 = new short[n];
            tensors.read("x", DType.BF16, MemorySegment.ofArray(bf16));
            for (int i = 0; i < n; i++) {
                assertThat(bf16[i]).isEqualTo(DType.toBf16(values[i]));
            }
        }
    }

    /** The file is sparse: it takes no room on the disk. */
    @Test
    void tensorsBeyondTwoGibibytesAreRead() throws Exception {
        Path file = tmp.resolve("large.safetensors");
        long large = 5L << 30;
        String header =
                "{\"a\":{\"dtype\":\"U8\",\"shape\":[%d],\"data_offsets\":[0,%d]},"
                                .formatted(large, large)
                        + "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%d,%d]}}"
                                .formatted(large, large + 4);
        Files.write(file, bytes(header, 0));
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            ByteBuffer last = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN);
            channel.write(last.putFloat(2.5f).flip(), channel.size() + large);
        }
        try (SafeTensors tensors = SafeTensors.open(file)) {
            assertThat(tensors.readFloats("b")).containsExactly(2.5f);
            assertThat(tensors.data("a").byteSize()).isEqualTo(large);
            assertThatThrownBy(() -> tensors.readInts("a")).hasMessageContaining("too many");
        }
    }

    @Test
    void anUnfinishedFileLeavesNothing() throws Exception {
        Path file = tmp.resolve("x.safetensors");
        List<SafeTensorsWriter.Entry> entries =
                List.of(new SafeTensorsWriter.Entry("x", SourceType.F32, new long[] {2}));
        try (SafeTensorsWriter writer = SafeTensorsWriter.create(file, entries, Map.of())) {
            assertThatThrownBy(() -> writer.write("y", MemorySegment.ofArray(new float[2])))
                    .hasMessageContaining("where x of 8 bytes comes next");
            assertThatThrownBy(() -> writer.write("x", MemorySegment.ofArray(new float[3])))
                    .hasMessageContaining("12 bytes");
            writer.append("x", MemorySegment.ofArray(new float[1]));
            assertThatThrownBy(() -> writer.append("x", MemorySegment.ofArray(new float[2])))
                    .hasMessageContaining("8 bytes was given");
            assertThatThrownBy(writer::finish).hasMessageContaining("declared, not written");
        }
        try (Stream<Path> left = Files.list(tmp)) {
            assertThat(left).isEmpty();
        }
    }
}
