package org.ringworld.checkpoints.pickle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Base64;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.Resources;
import org.ringworld.runtime.DType;

/** Pickles as Python with NumPy 2.4 makes them. */
class NumpyPickleTest {
    /** {encoder: {Conv_0: {kernel: a F32, bias: a F64 in Fortran's order}}, half: a[0] F16}. */
    private static final String PROTOCOL_3 =
            """
            gAN9cQAoWAcAAABlbmNvZGVycQF9cQJYBgAAAENvbnZfMHEDfXEEKFgGAAAAa2VybmVscQVjbnVtcHkuX2NvcmUubXVsdGlh
            cnJheQpfcmVjb25zdHJ1Y3QKcQZjbnVtcHkKbmRhcnJheQpxB0sAhXEIQwFicQmHcQpScQsoSwFLAksDhnEMY251bXB5CmR0
            eXBlCnENWAIAAABmNHEOiYiHcQ9ScRAoSwNYAQAAADxxEU5OTkr/////Sv////9LAHRxEmKJQxgAACDAAADAvwAAAL8AAAA/
            AADAPwAAIEBxE3RxFGJYBAAAAGJpYXNxFWgGaAdLAIVxFmgJh3EXUnEYKEsBSwJLA4ZxGWgNWAIAAABmOHEaiYiHcRtScRwo
            SwNoEU5OTkr/////Sv////9LAHRxHWKIQzAAAAAAAAAEwAAAAAAAAOA/AAAAAAAA+L8AAAAAAAD4PwAAAAAAAOC/AAAAAAAA
            BEBxHnRxH2J1c1gEAAAAaGFsZnEgaAZoB0sAhXEhaAmHcSJScSMoSwFLA4VxJGgNWAIAAABmMnEliYiHcSZScScoSwNoEU5O
            Tkr/////Sv////9LAHRxKGKJQwYAwQC+ALhxKXRxKmJ1Lg==
            """;

    private static final String PROTOCOL_5 =
            """
            gAWVcwEAAAAAAAB9lCiMB2VuY29kZXKUfZSMBkNvbnZfMJR9lCiMBmtlcm5lbJSME251bXB5Ll9jb3JlLm51bWVyaWOUjAtf
            ZnJvbWJ1ZmZlcpSTlCiWGAAAAAAAAAAAACDAAADAvwAAAL8AAAA/AADAPwAAIECUjAVudW1weZSMBWR0eXBllJOUjAJmNJSJ
            iIeUUpQoSwOMATyUTk5OSv////9K/////0sAdJRiSwJLA4aUjAFDlHSUUpSMBGJpYXOUaAgoljAAAAAAAAAAAAAAAAAABMAA
            AAAAAADgPwAAAAAAAPi/AAAAAAAA+D8AAAAAAADgvwAAAAAAAARAlGgMjAJmOJSJiIeUUpQoSwNoEE5OTkr/////Sv////9L
            AHSUYksCSwOGlIwBRpR0lFKUdXOMBGhhbGaUaAgolgYAAAAAAAAAAMEAvgC4lGgMjAJmMpSJiIeUUpQoSwNoEE5OTkr/////
            Sv////9LAHSUYksDhZRoE3SUUpR1Lg==
            """;

    @TempDir Path tmp;

    private Path file(byte[] bytes) throws IOException {
        return Files.write(tmp.resolve("vqgan"), bytes);
    }

    private static float[] read(NumpyPickle pickle, String name) throws CheckpointException {
        float[] values = new float[(int) pickle.tensor(name).count()];
        pickle.read(name, DType.F32, MemorySegment.ofArray(values));
        return values;
    }

    @ParameterizedTest
    @ValueSource(strings = {PROTOCOL_3, PROTOCOL_5})
    void arraysAreReadByTheirPathInEveryOrderAndFloat(String pickled) throws Exception {
        Path file = file(Base64.getMimeDecoder().decode(pickled));
        try (NumpyPickle pickle = NumpyPickle.open(file)) {
            float[] a = {-2.5f, -1.5f, -0.5f, 0.5f, 1.5f, 2.5f};
            assertThat(pickle.names())
                    .containsExactly("encoder.Conv_0.kernel", "encoder.Conv_0.bias", "half");
            assertThat(read(pickle, "encoder.Conv_0.kernel")).containsExactly(a);
            assertThat(read(pickle, "encoder.Conv_0.bias")).containsExactly(a);
            assertThat(pickle.tensor("encoder.Conv_0.bias").shape()).containsExactly(2, 3);
            assertThat(read(pickle, "half")).containsExactly(Arrays.copyOf(a, 3));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "gASVLgAAAAAAAAB9lIwBYZSMBXBvc2l4lIwGc3lzdGVtlJOUjAx0b3VjaCAvdG1wL3iUhZRSlHMu,"
                + " its pickle names posix.system",
        "gASVqAAAAAAAAAB9lIwBYZSMFm51bXB5Ll9jb3JlLm11bHRpYXJyYXmUjAxfcmVjb25zdHJ1Y3SUk5SMBW51bXB5lIwHbmRhc"
                + "nJheZSTlEsAhZRDAWKUh5RSlChLAUsDhZRoBYwFZHR5cGWUk5SMAmk4lImIh5RSlChLA4wBPJROTk5K/////0r/////SwB"
                + "0lGKJQxgAAAAAAAAAAAEAAAAAAAAAAgAAAAAAAACUdJRicy4=,"
                + " not of a float",
        "gASVmAAAAAAAAAB9lIwBYZSMFm51bXB5Ll9jb3JlLm11bHRpYXJyYXmUjAxfcmVjb25zdHJ1Y3SUk5SMBW51bXB5lIwHbmRhc"
                + "nJheZSTlEsAhZRDAWKUh5RSlChLAUsChZRoBYwFZHR5cGWUk5SMAmY0lImIh5RSlChLA4wBPpROTk5K/////0r/////SwB"
                + "0lGKJQwgAAAAAP4AAAJR0lGJzLg==,"
                + " its arrays are big-endian",
        "gASVCgAAAAAAAAB9lIwBYZRoAHMu, its dictionaries are nested without end",
        "gASVDwAAAAAAAAB9lIwBYZSMBHRleHSUcy4=, is neither an array nor a dictionary",
        "gASVBgAAAAAAAABdlEsBYS4=, its pickle is no dictionary"
    })
    void whatIsNoDictionaryOfArraysIsRefusedByName(String pickled, String words) throws Exception {
        Path file = file(Base64.getDecoder().decode(pickled));
        assertThatThrownBy(() -> NumpyPickle.open(file))
                .isInstanceOf(CheckpointException.class)
                .hasMessageStartingWith(file + ": ")
                .hasMessageContaining(words);
    }

    @Test
    void aDamagedFileIsAnErrorOfOneSentenceOrOtherValues() throws Exception {
        byte[] whole = Base64.getMimeDecoder().decode(PROTOCOL_3);
        for (int length = 0; length < whole.length; length += 5) {
            Path cut = file(Arrays.copyOf(whole, length));
            assertThatThrownBy(() -> NumpyPickle.open(cut)).isInstanceOf(CheckpointException.class);
        }
        Random random = new Random(5);
        int refused = 0;
        for (int i = 0; i < 400; i++) {
            byte[] damaged = whole.clone();
            damaged[random.nextInt(whole.length)] = (byte) random.nextInt();
            try (NumpyPickle pickle = NumpyPickle.open(file(damaged))) {
                for (String name : pickle.names()) {
                    read(pickle, name);
                }
            } catch (CheckpointException e) {
                refused++;
            }
        }
        assertThat(refused).isBetween(100, 399);
    }

    @Test
    void lwmsOwnFormIsRead() throws Exception {
        try (NumpyPickle pickle = NumpyPickle.open(Resources.path("golden/vqgan/vqgan"))) {
            assertThat(pickle.names())
                    .contains("encoder.DownsamplingBlock_0.Downsample_0.Conv_0.bias");
            assertThat(pickle.tensor("quantize.embeddings").shape()).containsExactly(64, 16);
        }
    }
}
