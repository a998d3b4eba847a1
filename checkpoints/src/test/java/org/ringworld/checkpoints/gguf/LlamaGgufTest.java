package org.ringworld.checkpoints.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.Resources;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.hf.HfDirectory;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.checkpoints.hf.RopeScaling;
import org.ringworld.runtime.DType;

class LlamaGgufTest {
    @TempDir private Path tmp;

    /** A file read by what the format's specification says. */
    private record Read(Map<String, Object> values, Map<String, Tensor> tensors) {
        record Tensor(long[] shape, int type, ByteBuffer bytes) {
            /** As F32, whatever it is stored as. */
            float[] values() {
                int count = 1;
                for (long d : shape) {
                    count *= (int) d;
                }
                float[] all = new float[count];
                for (int i = 0; i < count; i++) {
                    all[i] =
                            switch (type) {
                                case 0 -> bytes.getFloat(4 * i);
                                case 30 -> DType.fromBf16(bytes.getShort(2 * i));
                                default ->
                                        Float.float16ToFloat(bytes.getShort(i / 32 * 34))
                                                * bytes.get(i / 32 * 34 + 2 + i % 32);
                            };
                }
                return all;
            }
        }

        static Read of(Path file) throws IOException {
            ByteBuffer in =
                    ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
            assertThat(in.getInt()).isEqualTo(0x46554747);
            assertThat(in.getInt()).isEqualTo(3);
            long tensors = in.getLong();
            long pairs = in.getLong();
            Map<String, Object> values = new LinkedHashMap<>();
            for (long i = 0; i < pairs; i++) {
                values.put(text(in), value(in, in.getInt()));
            }
            Map<String, long[]> shapes = new LinkedHashMap<>();
            Map<String, Integer> types = new HashMap<>();
            Map<String, Long> offsets = new HashMap<>();
            for (long i = 0; i < tensors; i++) {
                String name = text(in);
                long[] shape = new long[in.getInt()];
                for (int axis = shape.length - 1; axis >= 0; axis--) {
                    shape[axis] = in.getLong();
                }
                shapes.put(name, shape);
                types.put(name, in.getInt());
                offsets.put(name, in.getLong());
            }
            int data = (in.position() + 31) / 32 * 32;
            Map<String, Tensor> read = new LinkedHashMap<>();
            shapes.forEach(
                    (name, shape) -> {
                        assertThat(offsets.get(name) % 32).isZero();
                        int at = data + offsets.get(name).intValue();
                        ByteBuffer bytes = in.slice(at, in.capacity() - at);
                        bytes.order(ByteOrder.LITTLE_ENDIAN);
                        read.put(name, new Tensor(shape, types.get(name), bytes));
                    });
            return new Read(values, read);
        }

        private static String text(ByteBuffer in) {
            byte[] utf8 = new byte[(int) in.getLong()];
            in.get(utf8);
            return new String(utf8, StandardCharsets.UTF_8);
        }

        private static Object value(ByteBuffer in, int type) {
            return switch (type) {
                case 4, 5 -> in.getInt();
                case 6 -> in.getFloat();
                case 7 -> in.get() != 0;
                case 8 -> text(in);
                case 9 -> {
                    int of = in.getInt();
                    long length = in.getLong();
                    List<Object> list = new ArrayList<>();
                    for (long i = 0; i < length; i++) {
                        list.add(value(in, of));
                    }
                    yield list;
                }
                default -> throw new AssertionError("type " + type);
            };
        }
    }

    private Path export(Path model, GgufType type) throws IOException {
        Path file = tmp.resolve("model.gguf");
        GgufMetadata metadata = new GgufMetadata();
        metadata.putText("tokenizer.ggml.model", "none");
        AtomicLong written = new AtomicLong();
        try (ModelFiles files = ModelFiles.open(model)) {
            LlamaGguf.write(file, files, type, metadata, written::addAndGet);
            assertThat(written.get())
                    .isBetween(
                            LlamaGguf.bytes(files.config(), type),
                            LlamaGguf.bytes(files.config(), type) + 4096);
        }
        return file;
    }

    private static float[] ours(ModelFiles files, String name) throws CheckpointException {
        TensorSpec spec =
                LlamaTensors.of(files.config()).stream()
                        .filter(s -> s.name().equals(name))
                        .findFirst()
                        .orElseThrow();
        float[] values = new float[(int) spec.count()];
        files.read(spec, DType.F32, MemorySegment.ofArray(values));
        return values;
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama-gqa", "llama3-tied"})
    void everyWeightIsThereOnceAndPairsAreNeighbours(String golden) throws IOException {
        Path model = Resources.path("golden/" + golden);
        Read read = Read.of(export(model, GgufType.F32));
        try (ModelFiles files = ModelFiles.open(model)) {
            LlamaConfig c = files.config();
            int scaled = c.ropeScaling() instanceof RopeScaling.Llama3 ? 1 : 0;
            assertThat(read.tensors()).hasSize(LlamaTensors.of(c).size() + scaled);
            assertThat(read.tensors().containsKey("output.weight")).isEqualTo(!c.tieEmbeddings());
            assertThat(read.tensors().get("blk.0.ffn_down.weight").values())
                    .isEqualTo(ours(files, LlamaTensors.layer(0, "mlp.down_proj")));
            float[] key = ours(files, LlamaTensors.layer(1, "self_attn.k_proj"));
            float[] theirs = read.tensors().get("blk.1.attn_k.weight").values();
            int e = c.hiddenSize();
            int half = c.headDim() / 2;
            for (int row = 0; row < c.numKvHeads() * c.headDim(); row++) {
                int head = row / c.headDim();
                int at = row % c.headDim();
                int to = head * c.headDim() + at % half * 2 + at / half;
                for (int i = 0; i < e; i++) {
                    assertThat(theirs[to * e + i]).isEqualTo(key[row * e + i]);
                }
            }
            assertThat(read.values())
                    .containsEntry("general.architecture", "llama")
                    .containsEntry("llama.attention.head_count_kv", c.numKvHeads())
                    .containsEntry("llama.attention.key_length", c.headDim())
                    .containsEntry("llama.rope.freq_base", (float) c.ropeTheta())
                    .containsEntry("tokenizer.ggml.model", "none");
        }
    }

    @ParameterizedTest
    @EnumSource(GgufType.class)
    void valuesAreOffByNoMoreThanTheirTypeRounds(GgufType type) throws IOException {
        Path model = Resources.path("golden/llama-gqa");
        Read read = Read.of(export(model, type));
        try (ModelFiles files = ModelFiles.open(model)) {
            float[] given = ours(files, LlamaTensors.EMBED_TOKENS);
            float[] stored = read.tensors().get("token_embd.weight").values();
            assertThat(read.tensors().get("token_embd.weight").type()).isEqualTo(type.number());
            assertThat(read.tensors().get("output_norm.weight").type()).isZero();
            for (int i = 0; i < given.length; i++) {
                float greatest = 0;
                for (int j = i / 32 * 32; j < i / 32 * 32 + 32; j++) {
                    greatest = Math.max(greatest, Math.abs(given[j]));
                }
                double most =
                        switch (type) {
                            case F32 -> 0;
                            case BF16 -> Math.abs(given[i]) / 256;
                            case Q8_0 -> greatest / 127 * (0.5 + 127 / 2048.0);
                        };
                assertThat(Math.abs(stored[i] - given[i])).isLessThanOrEqualTo((float) most);
            }
        }
    }

    /** The bytes are those of llama.cpp's gguf package, quantize(…, Q8_0). */
    @Test
    void aBlockOfQ8IsTheReferences() {
        float[] values = new float[32];
        for (int i = 0; i < 32; i++) {
            values[i] = (float) ((i % 2 == 0 ? 1 : -1) * (i * i * 0.37 + 0.5) / (1 + i % 5));
        }
        byte[] block = new byte[34];
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment to = arena.allocate(34);
            GgufType.Q8_0.store(values, 32, to);
            MemorySegment.copy(to, ValueLayout.JAVA_BYTE, 0, block, 0, 34);
        }
        assertThat(HexFormat.of().formatHex(block))
                .isEqualTo("41410000000000fc03fe02fe0ef707fa06e012f20bf639e117ed10a830de1ce87fbc");
    }

    @Test
    void whatCannotBeSaidIsNamedAndNothingIsLeft() {
        assertThatThrownBy(() -> export(Resources.path("golden/lwm-jax"), GgufType.F32))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("vision tables of 8448 codes");
        assertThat(tmp).isEmptyDirectory();
    }

    @Test
    void aValueWithoutAScaleIsNamedAndNothingIsLeft() throws IOException {
        Path model = tmp.resolve("model");
        LlamaConfig c =
                new LlamaConfig(
                        32, 32, 32, 1, 1, 1, 32, 1e-5, 1e4, new RopeScaling.None(), false, 64, 0);
        float[] values = new float[32 * 32];
        values[7] = Float.NaN;
        HfDirectory.write(
                model,
                c,
                DType.F32,
                LlamaTensors.of(c),
                spec -> MemorySegment.ofArray(values).asSlice(0, spec.count() * 4),
                HfDirectory.ExtraFiles.NONE,
                Fence.NONE);
        assertThatThrownBy(() -> export(model, GgufType.Q8_0))
                .hasMessageContaining("token_embd.weight")
                .hasMessageContaining("Q8_0: a value is not finite");
        try (var left = Files.list(tmp)) {
            assertThat(left).containsExactly(model);
        }
    }

    @Test
    void aKeyIsPutOnce() {
        GgufMetadata one = new GgufMetadata();
        one.putCount("a", 1);
        assertThatThrownBy(() -> one.putText("a", "b"))
                .isInstanceOf(IllegalArgumentException.class);
    }
}
