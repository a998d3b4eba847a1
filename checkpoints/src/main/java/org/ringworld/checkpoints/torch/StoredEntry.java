package org.ringworld.checkpoints.torch;

import java.lang.foreign.MemorySegment;
import java.util.zip.CRC32;
import org.ringworld.checkpoints.Bytes;

/** An entry of a mapped zip file, stored as it is, with the CRC-32 that the zip holds of it. */
final class StoredEntry {
    private final MemorySegment data;
    private final int crc;
    private boolean intact;

    /**
     * @param crc 0 where none was recorded, as PyTorch does when told to save time
     */
    StoredEntry(MemorySegment data, int crc) {
        this.data = data;
        this.crc = crc;
        this.intact = crc == 0;
    }

    MemorySegment data() {
        return data;
    }

    /** Whether its bytes are those that were written. The first call reads them all. */
    synchronized boolean isIntact() {
        if (!intact) {
            CRC32 sum = new CRC32();
            Bytes.addTo(sum, data);
            intact = (int) sum.getValue() == crc;
        }
        return intact;
    }
}
