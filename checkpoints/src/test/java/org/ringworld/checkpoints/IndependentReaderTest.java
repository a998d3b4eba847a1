package org.ringworld.checkpoints;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.hf.HfDirectory;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.checkpoints.hf.RopeScaling;
import org.ringworld.runtime.DType;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What we write, read by the format's definition and a JSON library, with nothing of ours. */
class IndependentReaderTest {
    @TempDir Path tmp;

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16"})
    void aWrittenModelIsSafetensorsByItsDefinition(DType dtype) throws Exception {
        LlamaConfig config =
                new LlamaConfig(
                        37, 12, 20, 3, 4, 2, 6, 1e-5, 5e5, new RopeScaling.None(), false, 128, 11);
        Map<String, byte[]> written = new HashMap<>();
        HfDirectory.write(
                tmp.resolve("m"),
                config,
                dtype,
                LlamaTensors.of(config),
                spec -> {
                    byte[] bytes = new byte[(int) spec.count() * dtype.bytes()];
                    new Random(spec.name().hashCode()).nextBytes(bytes);
                    written.put(spec.name(), bytes);
                    return MemorySegment.ofArray(bytes);
                },
                HfDirectory.ExtraFiles.NONE,
                Fence.NONE);
        byte[] file = Files.readAllBytes(tmp.resolve("m/model.safetensors"));

        // N: 8 bytes, unsigned, little-endian; N bytes of JSON that begin with {; then the data.
        ByteBuffer bytes = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        int header = Math.toIntExact(bytes.getLong());
        assertThat(file[8]).isEqualTo((byte) '{');
        String text = new String(file, 8, header, StandardCharsets.UTF_8);
        JsonNode json = JsonMapper.shared().readTree(text);
        assertThat(json.path("__metadata__").path("format").asString()).isEqualTo("pt");
        assertThat(json.size()).isEqualTo(written.size() + 1);
        int covered = 0;
        for (Map.Entry<String, JsonNode> entry : json.properties()) {
            if (entry.getKey().equals("__metadata__")) {
                continue;
            }
            JsonNode tensor = entry.getValue();
            assertThat(tensor.path("dtype").asString()).isEqualTo(dtype.name());
            int begin = tensor.path("data_offsets").path(0).asInt();
            int end = tensor.path("data_offsets").path(1).asInt();
            int count =
                    tensor.path("shape")
                            .valueStream()
                            .mapToInt(JsonNode::asInt)
                            .reduce(1, Math::multiplyExact);
            assertThat(end - begin).isEqualTo(count * dtype.bytes());
            assertThat(begin).as("no hole, no overlap").isEqualTo(covered);
            byte[] data = Arrays.copyOfRange(file, 8 + header + begin, 8 + header + end);
            assertThat(data).as(entry.getKey()).isEqualTo(written.get(entry.getKey()));
            covered = end;
        }
        assertThat(8 + header + covered).as("nothing after the data").isEqualTo(file.length);
    }
}
