package org.ringworld.checkpoints.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.checkpoints.Bytes;
import org.ringworld.checkpoints.CheckpointException;

class ZipDirectoryTest {
    private static final Path FILE = Path.of("large.bin");
    private static final byte[] NAME = "archive/data.pkl".getBytes(StandardCharsets.UTF_8);
    private static final byte[] DATA = {7, 8, 9};
    private static final int IN_ZIP64 = -1;

    /**
     * One entry in the layout of a file over 4 GiB.
     *
     * @param wide bits 0, 1 and 2: size, stored size and place are only in the zip64 field
     */
    private static ByteBuffer zip64(int wide, long size, long place) {
        ByteBuffer zip = ByteBuffer.allocate(512).order(ByteOrder.LITTLE_ENDIAN);
        zip.putInt(0x04034b50).position(26);
        zip.putShort((short) NAME.length).putShort((short) 0).put(NAME).put(DATA);
        int central = zip.position();
        zip.putInt(0x02014b50).position(central + 20);
        zip.putInt((wide & 2) != 0 ? IN_ZIP64 : (int) size);
        zip.putInt((wide & 1) != 0 ? IN_ZIP64 : (int) size);
        zip.putShort((short) NAME.length).putShort((short) (8 + 8 * Integer.bitCount(wide)));
        zip.position(central + 42);
        zip.putInt((wide & 4) != 0 ? IN_ZIP64 : (int) place).put(NAME);
        // A field of another kind stands before it and is stepped over.
        zip.putShort((short) 0x4246).putShort((short) 0);
        zip.putShort((short) 1).putShort((short) (8 * Integer.bitCount(wide)));
        for (long value : new long[] {size, size, place}) {
            if ((wide & 1) != 0) {
                zip.putLong(value);
            }
            wide >>= 1;
        }
        int end64 = zip.position();
        zip.putInt(0x06064b50).putLong(44).position(end64 + 24);
        zip.putLong(1).putLong(1).putLong(end64 - central).putLong(central);
        zip.putInt(0x07064b50).putInt(0).putLong(end64).putInt(1);
        zip.putInt(0x06054b50).putInt(0).putShort((short) -1).putShort((short) -1);
        return zip.putInt(IN_ZIP64).putInt(IN_ZIP64).putShort((short) 0).flip();
    }

    private static Map<String, StoredEntry> entries(ByteBuffer zip) throws CheckpointException {
        return ZipDirectory.entries(FILE, MemorySegment.ofBuffer(zip));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3, 4, 7})
    void sizesAndPlacesMayBeInTheZip64Field(int wide) throws Exception {
        Map<String, StoredEntry> entries = entries(zip64(wide, DATA.length, 0));
        assertThat(entries).containsOnlyKeys("archive/data.pkl");
        assertThat(entries.get("archive/data.pkl").data().toArray(Bytes.BYTE)).isEqualTo(DATA);
    }

    @ParameterizedTest
    @ValueSource(longs = {Long.MAX_VALUE, Long.MIN_VALUE, -1, 1L << 32, 500})
    void aSizeOrPlaceOutsideOfTheFileIsRefused(long value) {
        assertThatThrownBy(() -> entries(zip64(7, value, 0)))
                .isInstanceOf(CheckpointException.class)
                .hasMessageStartingWith(FILE.toString());
        assertThatThrownBy(() -> entries(zip64(7, DATA.length, value)))
                .isInstanceOf(CheckpointException.class)
                .hasMessageStartingWith(FILE.toString());
    }

    @Test
    void aDamagedZip64EndIsRefused() {
        ByteBuffer zip = zip64(7, DATA.length, 0);
        zip.putInt(zip.limit() - 22 - 20 - 56, 0);
        assertThatThrownBy(() -> entries(zip)).hasMessageContaining("zip64 directory is damaged");
    }
}
