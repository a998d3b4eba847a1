package org.ringworld.checkpoints;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.checkpoints.hf.HfDirectory;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.checkpoints.hf.LlamaTensors;
import org.ringworld.checkpoints.hf.RopeScaling;
import org.ringworld.checkpoints.snapshot.Snapshot;
import org.ringworld.checkpoints.snapshot.SnapshotFile;
import org.ringworld.runtime.DType;

class InspectionTest {
    private static final LlamaConfig CONFIG =
            new LlamaConfig(
                    37, 12, 20, 3, 4, 2, 6, 1e-5, 5e5, new RopeScaling.None(), false, 128, 0);

    @TempDir Path tmp;

    @Test
    void aSnapshotTellsItsStepAndChecksums() throws Exception {
        Path snapshot = tmp.resolve("run/snapshots/step-9");
        HfDirectory.write(
                snapshot,
                CONFIG,
                DType.BF16,
                LlamaTensors.of(CONFIG),
                spec -> MemorySegment.ofArray(new byte[(int) spec.count() * 2]),
                HfDirectory.ExtraFiles.NONE,
                Fence.NONE);
        Snapshot.Position progress =
                new Snapshot.Position(9, 1, 2, 9, 4096, 3, 7, "seed = 7", 2, "zigzag", List.of());
        SnapshotFile.write(snapshot, progress, Map.of());
        for (Path path : new Path[] {snapshot, tmp.resolve("run")}) {
            Inspection inspection = Inspection.of(path);
            assertThat(inspection.path()).isEqualTo(snapshot);
            assertThat(inspection.format()).isEqualTo("safetensors, a snapshot");
            assertThat(inspection.config()).isEqualTo(CONFIG);
            assertThat(inspection.progress()).isEqualTo(progress);
            assertThat(inspection.files())
                    .extracting(Inspection.Checksum::name)
                    .containsExactly("config.json", "model.safetensors");
            assertThat(inspection.metadata()).containsEntry("format", "pt");
            assertThat(inspection.tensors()).hasSize(LlamaTensors.of(CONFIG).size());
            assertThat(inspection.tensors().getFirst().bytes()).isEqualTo(37 * 12 * 2);
        }
    }

    @Test
    void whatIsOfNoKnownKindIsRefused() throws Exception {
        Path text = Files.writeString(tmp.resolve("notes.txt"), "no weights");
        assertThatThrownBy(() -> Inspection.of(text))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("is not named as weights are");
    }
}
