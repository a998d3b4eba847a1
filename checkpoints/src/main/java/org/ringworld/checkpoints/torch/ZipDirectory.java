package org.ringworld.checkpoints.torch;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ringworld.checkpoints.Bytes;
import org.ringworld.checkpoints.CheckpointException;

/**
 * The entries of a mapped zip file (PKWARE's APPNOTE, zip64 too) where they lie in it. They must be
 * stored, not compressed, as PyTorch writes them; the JDK's own reader does not say where they lie.
 */
final class ZipDirectory {
    private static final int END = 0x06054b50;
    private static final int END_64 = 0x06064b50;
    private static final int END_64_LOCATOR = 0x07064b50;
    private static final int CENTRAL = 0x02014b50;
    private static final int LOCAL = 0x04034b50;
    private static final int END_BYTES = 22;
    private static final int CENTRAL_BYTES = 46;
    private static final int LOCAL_BYTES = 30;
    private static final long IN_ZIP64 = 0xffffffffL;

    private final Path file;
    private final MemorySegment zip;
    private final Map<String, StoredEntry> entries = new LinkedHashMap<>();

    private ZipDirectory(Path file, MemorySegment zip) {
        this.file = file;
        this.zip = zip;
    }

    /** By name, in the order of the directory. */
    static Map<String, StoredEntry> entries(Path file, MemorySegment zip)
            throws CheckpointException {
        ZipDirectory directory = new ZipDirectory(file, zip);
        try {
            directory.read();
        } catch (IndexOutOfBoundsException e) {
            throw directory.fault("its zip directory points outside of the file");
        }
        directory.refuseOverlaps();
        return directory.entries;
    }

    private void read() throws CheckpointException {
        long end = findEnd();
        long count = unsigned16(end + 10);
        long size = unsigned32(end + 12);
        long start = unsigned32(end + 16);
        if (end >= 20 && zip.get(Bytes.INT, end - 20) == END_64_LOCATOR) {
            long end64 = zip.get(Bytes.LONG, end - 12);
            if (zip.get(Bytes.INT, end64) != END_64) {
                throw fault("its zip64 directory is damaged");
            }
            count = zip.get(Bytes.LONG, end64 + 32);
            size = zip.get(Bytes.LONG, end64 + 40);
            start = zip.get(Bytes.LONG, end64 + 48);
        }
        MemorySegment central = zip.asSlice(start, size);
        long at = 0;
        for (long i = 0; i < count; i++) {
            at += readEntry(central, at);
        }
    }

    private long findEnd() throws CheckpointException {
        long lowest = Math.max(0, zip.byteSize() - END_BYTES - 0xffff);
        for (long at = zip.byteSize() - END_BYTES; at >= lowest; at--) {
            if (zip.get(Bytes.INT, at) == END) {
                return at;
            }
        }
        throw fault("its zip directory is missing: the file is cut short; fetch or copy it again");
    }

    /** Returns the bytes of the directory that it took. */
    private long readEntry(MemorySegment central, long at) throws CheckpointException {
        MemorySegment header = central.asSlice(at, CENTRAL_BYTES);
        if (header.get(Bytes.INT, 0) != CENTRAL) {
            throw fault("its zip directory is damaged");
        }
        int nameBytes = header.get(Bytes.SHORT, 28) & 0xffff;
        int extraBytes = header.get(Bytes.SHORT, 30) & 0xffff;
        int commentBytes = header.get(Bytes.SHORT, 32) & 0xffff;
        MemorySegment named = central.asSlice(at + CENTRAL_BYTES, nameBytes + extraBytes);
        String name =
                new String(named.asSlice(0, nameBytes).toArray(Bytes.BYTE), StandardCharsets.UTF_8);
        if ((header.get(Bytes.SHORT, 8) & 1) != 0 || header.get(Bytes.SHORT, 10) != 0) {
            throw fault(
                    "entry '%s' is compressed or encrypted, as torch.save never does: save it again"
                            .formatted(name));
        }
        long[] sizes = {
            header.get(Bytes.INT, 24) & IN_ZIP64,
            header.get(Bytes.INT, 20) & IN_ZIP64,
            header.get(Bytes.INT, 42) & IN_ZIP64
        };
        readZip64(named.asSlice(nameBytes), sizes);
        if (sizes[0] != sizes[1]) {
            throw fault("entry '%s' is stored and has two sizes".formatted(name));
        }
        MemorySegment data = data(name, sizes[2], sizes[0]);
        if (entries.put(name, new StoredEntry(data, header.get(Bytes.INT, 16))) != null) {
            throw fault("entry '%s' is there twice".formatted(name));
        }
        return CENTRAL_BYTES + nameBytes + extraBytes + commentBytes;
    }

    /** Fills in size, stored size and place where they are only in the zip64 field. */
    private static void readZip64(MemorySegment extra, long[] sizes) {
        long at = 0;
        while (at + 4 <= extra.byteSize()) {
            int id = extra.get(Bytes.SHORT, at) & 0xffff;
            int length = extra.get(Bytes.SHORT, at + 2) & 0xffff;
            if (id == 1) {
                long value = at + 4;
                for (int i = 0; i < sizes.length; i++) {
                    if (sizes[i] == IN_ZIP64) {
                        sizes[i] = extra.get(Bytes.LONG, value);
                        value += 8;
                    }
                }
            }
            at += 4 + length;
        }
    }

    private MemorySegment data(String name, long header, long size) throws CheckpointException {
        if (zip.get(Bytes.INT, header) != LOCAL) {
            throw fault("entry '%s' is not where the zip directory says".formatted(name));
        }
        long start = header + LOCAL_BYTES + unsigned16(header + 26) + unsigned16(header + 28);
        if (size < 0 || size > zip.byteSize() - start) {
            throw fault("entry '%s' of %d bytes ends after the file".formatted(name, size));
        }
        return zip.asSlice(start, size);
    }

    private void refuseOverlaps() throws CheckpointException {
        List<MemorySegment> byPlace = new ArrayList<>();
        entries.values().forEach(entry -> byPlace.add(entry.data()));
        byPlace.removeIf(entry -> entry.byteSize() == 0);
        byPlace.sort(Comparator.comparingLong(MemorySegment::address));
        for (int i = 1; i < byPlace.size(); i++) {
            MemorySegment before = byPlace.get(i - 1);
            if (before.address() + before.byteSize() > byPlace.get(i).address()) {
                throw fault("two entries of the zip share bytes");
            }
        }
    }

    private long unsigned16(long at) {
        return zip.get(Bytes.SHORT, at) & 0xffff;
    }

    private long unsigned32(long at) {
        return zip.get(Bytes.INT, at) & IN_ZIP64;
    }

    private CheckpointException fault(String message) {
        return new CheckpointException(file + ": " + message);
    }
}
