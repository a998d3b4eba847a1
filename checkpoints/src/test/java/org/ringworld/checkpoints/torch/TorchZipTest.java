package org.ringworld.checkpoints.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.ringworld.checkpoints.Bytes;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.Resources;
import org.ringworld.checkpoints.StridedTensor;
import org.ringworld.checkpoints.TensorSpec;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.runtime.DType;
import tools.jackson.databind.JsonNode;

class TorchZipTest {
    @TempDir Path tmp;

    static Stream<JsonNode> reports() {
        return Resources.json("reports/format/torch.expected.json").valueStream();
    }

    @ParameterizedTest
    @MethodSource("reports")
    void reportedFilesAreReadOrRefused(JsonNode report) throws Exception {
        Path file = Resources.path("reports/format/" + report.path("file").asString());
        if (report.path("expect").asString().equals("error")) {
            assertThatThrownBy(() -> TorchZip.open(file))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageStartingWith(file.toString());
            return;
        }
        try (TorchZip zip = TorchZip.open(file)) {
            assertThat(zip.names()).isNotEmpty();
            for (Map.Entry<String, JsonNode> tensor : report.path("tensors").properties()) {
                List<Double> expected = new ArrayList<>();
                flatten(tensor.getValue(), expected);
                assertThat(values(zip.tensor(tensor.getKey())))
                        .as(tensor.getKey())
                        .isEqualTo(expected);
            }
        }
    }

    private static void flatten(JsonNode node, List<Double> into) {
        if (node.isArray()) {
            node.forEach(n -> flatten(n, into));
        } else if (!node.isObject()) { // an empty one, of which only the shape is given
            into.add(Double.parseDouble(node.asString().replace("inf", "Infinity")));
        }
    }

    private static List<Double> values(StridedTensor tensor) {
        int width = tensor.type().bits() / 8;
        int n = (int) tensor.count();
        MemorySegment raw = MemorySegment.ofArray(new byte[n * width]);
        if (n > 0) {
            tensor.gather(0, n, raw);
        }
        List<Double> values = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            values.add(
                    switch (tensor.type()) {
                        case F64 -> raw.get(Bytes.DOUBLE, 8L * i);
                        case F32 -> (double) raw.get(Bytes.FLOAT, 4L * i);
                        case F16 -> (double) Float.float16ToFloat(raw.get(Bytes.SHORT, 2L * i));
                        case BF16 -> (double) DType.fromBf16(raw.get(Bytes.SHORT, 2L * i));
                        case I64 -> (double) raw.get(Bytes.LONG, 8L * i);
                        default -> throw new IllegalStateException();
                    });
        }
        return values;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "short_storage.bin|8 bytes, too few for its 4 elements of 4",
                "missing_storage.bin|storage 9 is missing",
                "truncated.bin|cut short",
            })
    void faultsAreNamed(String file, String words) {
        assertThatThrownBy(() -> TorchZip.open(Resources.path("reports/format/" + file)))
                .hasMessageContaining(words);
    }

    @Test
    void theGoldenModelIsTheSameInBothForms() throws Exception {
        Path golden = Resources.path("golden/llama-gqa");
        Files.copy(golden.resolve("config.json"), tmp.resolve("config.json"));
        Path bin =
                Files.copy(golden.resolve("pytorch_model.bin"), tmp.resolve("pytorch_model.bin"));
        try (ModelFiles files = ModelFiles.open(golden);
                ModelFiles torch = ModelFiles.open(tmp);
                ModelFiles alone = ModelFiles.open(bin)) {
            for (TensorSpec spec : LlamaTensors.of(files.config())) {
                float[] expected = floats(files, spec);
                assertThat(floats(torch, spec)).as(spec.name()).isEqualTo(expected);
                assertThat(floats(alone, spec)).as(spec.name()).isEqualTo(expected);
            }
        }
    }

    private static float[] floats(ModelFiles files, TensorSpec spec) throws Exception {
        float[] values = new float[(int) spec.count()];
        files.read(spec, DType.F32, MemorySegment.ofArray(values));
        return values;
    }

    @Test
    void aPickleThatNamesACommandIsRefusedByItsName() throws Exception {
        for (String name : new String[] {"os\nsystem", "posix\nsystem", "builtins\neval"}) {
            byte[] pickle = bytes("c" + name + "\n(X\u0005\0\0\0touchtR.");
            assertThatThrownBy(() -> TorchZip.open(zip("archive/", pickle, "little")))
                    .hasMessageContaining(name.replace('\n', '.'))
                    .hasMessageContaining("refused");
        }
    }

    /** {name: tensor} on a storage of 4 floats 0 … 3, protocol 2; %s: shape and strides. */
    private static byte[] stateDict(String storageType, String numbers) {
        return bytes(
                "}X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\n"
                        + storageType
                        + "\nX\1\0\0\0"
                        + "0X\3\0\0\0cpuK\4tQ"
                        + numbers
                        + "\u0089ccollections\nOrderedDict\n)RtRs.");
    }

    @ParameterizedTest
    @CsvSource({
        "4b00 4b02 85 4b02 85, ok",
        "4b01 4b02 85 4b02 85, ok",
        "4b02 4b02 85 4b02 85, reaches outside",
        "4b00 4b05 85 4b00 85, ok", // expanded
        "4b00 4b02 85 4afeffffff 85, negative",
        "4afeffffff 4b02 85 4b01 85, negative",
        "4b00 4b02 85 4b02 4b02 86, not as many",
        "4b00 8a08ffffffffffffff7f 85 8a08ffffffffffffff7f 85, reaches outside",
        "4b00 8a08ffffffffffffff7f 4b04 86 4b00 4b00 86, reaches outside",
    })
    void aViewStaysInsideOfItsStorage(String numbers, String outcome) throws Exception {
        byte[] arguments = HexFormat.of().parseHex(numbers.replace(" ", ""));
        byte[] pickle =
                stateDict("FloatStorage", new String(arguments, StandardCharsets.ISO_8859_1));
        Path file = zip("any name/", pickle, "little");
        if (outcome.equals("ok")) {
            TorchZip.open(file).close();
        } else {
            assertThatThrownBy(() -> TorchZip.open(file)).hasMessageContaining(outcome);
        }
    }

    @ParameterizedTest
    @CsvSource({"FloatStorage,big,big-endian", "QInt8Storage,little,torch.QInt8Storage"})
    void whatIsNotReadIsNamed(String storage, String order, String words) throws Exception {
        Path file = zip("a/", stateDict(storage, "K\0K\2\u0085K\1\u0085"), order);
        assertThatThrownBy(() -> TorchZip.open(file)).hasMessageContaining(words);
    }

    @Test
    void aStateDictMayLieUnderAName() throws Exception {
        byte[] inner = stateDict("FloatStorage", "K\0K\4\u0085K\1\u0085");
        byte[] key = bytes("}X\12\0\0\0state_dict");
        ByteArrayOutputStream wrapped = new ByteArrayOutputStream();
        wrapped.write(key);
        wrapped.write(inner, 0, inner.length - 1);
        wrapped.write(bytes("s."));
        try (TorchZip zip = TorchZip.open(zip("a/", wrapped.toByteArray(), "little"))) {
            assertThat(values(zip.tensor("w"))).containsExactly(0.0, 1.0, 2.0, 3.0);
        }
    }

    @Test
    void olderFormsAndCompressedEntriesAreRefused() throws Exception {
        Path legacy = Files.write(tmp.resolve("legacy.bin"), bytes("\u0080\2\u008a\nl\u00fc"));
        assertThatThrownBy(() -> TorchZip.open(legacy)).hasMessageContaining("before 1.6");
        Path compressed = tmp.resolve("compressed.bin");
        try (ZipOutputStream out = new ZipOutputStream(Files.newOutputStream(compressed))) {
            out.putNextEntry(new ZipEntry("archive/data.pkl"));
            out.write(bytes("}."));
        }
        assertThatThrownBy(() -> TorchZip.open(compressed)).hasMessageContaining("compressed");
    }

    /** As torch.save lays it out, with one storage of the floats 0 … 3. */
    private Path zip(String folder, byte[] pickle, String byteOrder) throws Exception {
        ByteBuffer storage = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN);
        storage.asFloatBuffer().put(new float[] {0, 1, 2, 3});
        Path file = Files.createTempFile(tmp, "torch", ".bin");
        try (ZipOutputStream out = new ZipOutputStream(Files.newOutputStream(file))) {
            stored(out, folder + "data.pkl", pickle);
            stored(out, folder + "byteorder", bytes(byteOrder));
            stored(out, folder + "data/0", storage.array());
        }
        return file;
    }

    private static void stored(ZipOutputStream out, String name, byte[] data) throws Exception {
        CRC32 crc = new CRC32();
        crc.update(data);
        ZipEntry entry = new ZipEntry(name);
        entry.setMethod(ZipEntry.STORED);
        entry.setSize(data.length);
        entry.setCrc(crc.getValue());
        out.putNextEntry(entry);
        out.write(data);
        out.closeEntry();
    }

    private static byte[] bytes(String latin1) {
        return latin1.getBytes(StandardCharsets.ISO_8859_1);
    }
}
