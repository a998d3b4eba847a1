package org.ringworld.checkpoints.snapshot;

import com.google.protobuf.CodedOutputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.ringworld.checkpoints.Bytes;
import org.ringworld.checkpoints.CheckpointException;
import org.ringworld.checkpoints.Json;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.checkpoints.proto.File;
import org.ringworld.checkpoints.proto.Mesh;
import org.ringworld.checkpoints.proto.Share;
import org.ringworld.checkpoints.proto.SnapshotRecord;

/**
 * {@code snapshot.pb}: where training stood, and length and checksum of every other file of the
 * directory. Its own checksum ends it.
 */
public final class SnapshotFile {
    public static final String NAME = "snapshot.pb";

    private static final int FORMAT_VERSION = 1;
    private static final int CHECKSUM_BYTES = 5;
    private static final long LARGEST = 64L << 20;

    private SnapshotFile() {}

    /**
     * Writes it for the files that are in the directory, which must all be there by now.
     *
     * @param checksums of files by their names, as far as they are known; the others are read
     */
    public static void write(
            Path directory, Snapshot.Position progress, Map<String, Integer> checksums)
            throws IOException {
        SnapshotRecord.Builder record =
                SnapshotRecord.newBuilder()
                        .setFormatVersion(FORMAT_VERSION)
                        .setStep(progress.step())
                        .setStage(progress.stage())
                        .setStepInStage(progress.stepInStage())
                        .setOptimizerUpdates(progress.optimizerUpdates())
                        .setTokensSeen(progress.tokensSeen())
                        .setEpoch(progress.epoch())
                        .setSeed(progress.seed())
                        .setJobConf(progress.jobConf())
                        .setMesh(
                                Mesh.newBuilder()
                                        .setRingSize(progress.ringSize())
                                        .setLayout(progress.layout())
                                        .addAllShares(
                                                progress.shares().stream()
                                                        .map(SnapshotFile::share)
                                                        .toList()));
        try (Stream<Path> inside = Files.list(directory)) {
            for (Path file : inside.sorted().toList()) {
                String name = file.getFileName().toString();
                Integer known = checksums.get(name);
                record.addFiles(
                        File.newBuilder()
                                .setName(name)
                                .setBytes(Files.size(file))
                                .setCrc32C(known == null ? checksum(file) : known));
            }
        }
        byte[] bytes = record.build().toByteArray();
        byte[] whole = new byte[bytes.length + CHECKSUM_BYTES];
        System.arraycopy(bytes, 0, whole, 0, bytes.length);
        CodedOutputStream end = CodedOutputStream.newInstance(whole, bytes.length, CHECKSUM_BYTES);
        end.writeFixed32(SnapshotRecord.CRC32C_FIELD_NUMBER, checksum(bytes, bytes.length));
        Files.write(directory.resolve(NAME), whole);
    }

    private static Share share(DeviceShare share) {
        return Share.newBuilder().setKind(share.kind()).setSixteenths(share.sixteenths()).build();
    }

    /** Reads it; the files that it names are not looked at. */
    public static SnapshotRecord read(Path directory) throws CheckpointException {
        Path file = directory.resolve(NAME);
        try {
            if (Files.size(file) > LARGEST) {
                throw new CheckpointException(file + ": is too large to be a snapshot's record");
            }
            byte[] whole = Files.readAllBytes(file);
            int length = whole.length - CHECKSUM_BYTES;
            if (length < 0 || endingChecksum(whole) != checksum(whole, length)) {
                throw new CheckpointException(
                        file + ": is damaged (its checksum is wrong): use another snapshot");
            }
            SnapshotRecord record = SnapshotRecord.parseFrom(whole);
            if (record.getFormatVersion() != FORMAT_VERSION) {
                throw new CheckpointException(
                        "%s: has format %d and this program reads %d: use the one that wrote it"
                                .formatted(file, record.getFormatVersion(), FORMAT_VERSION));
            }
            return record;
        } catch (InvalidProtocolBufferException e) {
            throw new CheckpointException(file + ": is no snapshot's record", e);
        } catch (CheckpointException e) {
            throw e;
        } catch (IOException e) {
            throw new CheckpointException(file + ": cannot be read: " + Json.reason(e), e);
        }
    }

    public static Snapshot.Position progress(Path directory, SnapshotRecord r)
            throws CheckpointException {
        try {
            return new Snapshot.Position(
                    r.getStep(),
                    r.getStage(),
                    r.getStepInStage(),
                    r.getOptimizerUpdates(),
                    r.getTokensSeen(),
                    r.getEpoch(),
                    r.getSeed(),
                    r.getJobConf(),
                    r.getMesh().getRingSize(),
                    r.getMesh().getLayout(),
                    r.getMesh().getSharesList().stream()
                            .map(s -> new DeviceShare(s.getKind(), s.getSixteenths()))
                            .toList());
        } catch (IllegalArgumentException e) {
            throw new CheckpointException(directory.resolve(NAME) + ": " + e.getMessage(), e);
        }
    }

    /** Compares every file with its length and checksum. */
    static void verify(Path directory, List<File> files) throws CheckpointException {
        for (File expected : files) {
            Path file = directory.resolve(ModelFiles.plainName(directory, expected.getName()));
            try {
                if (Files.size(file) != expected.getBytes()) {
                    throw new CheckpointException(
                            "%s: is %d bytes and was %d when the snapshot was written"
                                    .formatted(file, Files.size(file), expected.getBytes()));
                }
                if (checksum(file) != expected.getCrc32C()) {
                    throw new CheckpointException(
                            file + ": has changed since the snapshot was written");
                }
            } catch (CheckpointException e) {
                throw e;
            } catch (IOException e) {
                throw new CheckpointException(file + ": cannot be read: " + Json.reason(e), e);
            }
        }
    }

    private static int endingChecksum(byte[] whole) {
        return ByteBuffer.wrap(whole)
                .order(ByteOrder.LITTLE_ENDIAN)
                .getInt(whole.length - Integer.BYTES);
    }

    private static int checksum(byte[] bytes, int length) {
        CRC32C crc = new CRC32C();
        crc.update(bytes, 0, length);
        return (int) crc.getValue();
    }

    private static int checksum(Path file) throws IOException {
        CRC32C crc = new CRC32C();
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ);
                Arena arena = Arena.ofConfined()) {
            MemorySegment all =
                    channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
            Bytes.addTo(crc, all);
        }
        return (int) crc.getValue();
    }
}
