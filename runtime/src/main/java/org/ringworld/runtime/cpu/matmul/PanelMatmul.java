package org.ringworld.runtime.cpu.matmul;

import static org.ringworld.runtime.cpu.matmul.MicroKernel.COLUMNS;
import static org.ringworld.runtime.cpu.matmul.MicroKernel.ROWS;
import static org.ringworld.runtime.cpu.matmul.MicroKernel.WIDTH;

import org.ringworld.runtime.DType;
import org.ringworld.runtime.KernelShapes;
import org.ringworld.runtime.Kernels.Product;
import org.ringworld.runtime.Tensor;
import org.ringworld.runtime.cpu.device.Lanes;
import org.ringworld.runtime.cpu.device.Scratch;
import org.ringworld.runtime.cpu.device.WorkerTeam;
import org.ringworld.runtime.cpu.elementwise.Staging;
import org.ringworld.runtime.cpu.elementwise.Transpose;

/**
 * Matrix products in Java (Goto and van de Geijn 2008): B is packed into panels as wide as the
 * micro-kernel, A into blocks that stay in the second cache. BF16 is widened while packing, so the
 * products are F32 whatever the operands.
 */
public final class PanelMatmul {
    /**
     * Rows of C that one thread works on at a time, at most. Each panel of B comes from far once
     * per tile, so a tile should be tall; this many rows of A fill a fifth of the second cache.
     */
    private static final int TILE_ROWS = 32 * ROWS;

    /** Columns at most: what is summed so far of a tile stays in the second cache. */
    private static final int TILE_COLUMNS = 256;

    /** Products summed in one go: a panel of B of this depth fills half of the first cache. */
    private static final int DEPTH = 256;

    /** Bytes of B packed at a time. */
    private static final long SLAB = 32L << 20;

    /** Floating point operations worth waking another thread for. */
    private static final long LEAST = 1 << 20;

    private final WorkerTeam team;
    private final Scratch scratch;

    public PanelMatmul(WorkerTeam team, Scratch scratch) {
        this.team = team;
        this.scratch = scratch;
    }

    /** One slab of B: which operands, what is packed where, how C is cut into tiles. */
    private record Slab(
            Product product,
            Tensor a,
            Tensor b,
            Tensor c,
            boolean accumulate,
            int m,
            int n,
            int k,
            int firstPanel,
            int panels,
            long packed,
            int tileRows,
            int tilePanels,
            int items) {
        int rowTiles() {
            return (m + tileRows - 1) / tileRows;
        }

        int columnTiles() {
            return (panels + tilePanels - 1) / tilePanels;
        }
    }

    public void run(
            Product product,
            Tensor a,
            Tensor b,
            Tensor c,
            boolean accumulate,
            KernelShapes.Matmul shape) {
        int m = Math.toIntExact(shape.m());
        int n = Math.toIntExact(shape.n());
        int k = Math.toIntExact(shape.k());
        int allPanels = (n + COLUMNS - 1) / COLUMNS;
        int most = (int) Math.max(1, SLAB / 4 / Math.max(1, k) / COLUMNS);
        for (int panel = 0; panel < allPanels; panel += most) {
            int panels = Math.min(most, allPanels - panel);
            int items = team.items(2L * m * k * panels * COLUMNS, LEAST);
            int tilePanels = Math.min(panels, TILE_COLUMNS / COLUMNS);
            int rowTiles = Math.max(1, items * tilePanels / panels);
            int tileRows = Math.clamp((m + rowTiles - 1) / rowTiles, 8 * ROWS, TILE_ROWS);
            tileRows = (tileRows + ROWS - 1) / ROWS * ROWS;
            long packed = scratch.shared(4L * panels * COLUMNS * k);
            Slab slab =
                    new Slab(
                            product,
                            a,
                            b,
                            c,
                            accumulate,
                            m,
                            n,
                            k,
                            panel,
                            panels,
                            packed,
                            tileRows,
                            tilePanels,
                            items);
            pack(slab);
            multiply(slab);
        }
    }

    private void pack(Slab slab) {
        int panels = slab.panels;
        int pieces = Math.min(panels, slab.items);
        team.run(
                pieces,
                (piece, worker) -> {
                    int end = panels * (piece + 1) / pieces;
                    for (int p = panels * piece / pieces; p < end; p++) {
                        packB(slab, p, worker);
                    }
                });
    }

    private void multiply(Slab slab) {
        int columns = slab.columnTiles();
        int tiles = slab.rowTiles() * columns;
        int items = slab.items == 1 ? 1 : tiles;
        team.run(
                items,
                (item, worker) -> {
                    for (int t = tiles * item / items; t < tiles * (item + 1) / items; t++) {
                        tile(slab, t / columns * slab.tileRows, t % columns, worker);
                    }
                });
    }

    /** Packs a panel of columns of b as [k, COLUMNS], zeros beyond its edge. */
    private void packB(Slab slab, int panel, int worker) {
        Tensor b = slab.b;
        int k = slab.k;
        int from = (slab.firstPanel + panel) * COLUMNS;
        int columns = Math.min(COLUMNS, slab.n - from);
        long to = slab.packed + 4L * panel * COLUMNS * k;
        int bytes = b.dtype().bytes();
        if (columns < COLUMNS) {
            Lanes.MEMORY.asSlice(to, 4L * COLUMNS * k).fill((byte) 0);
        }
        if (slab.product != Product.NT) {
            for (int p = 0; p < k; p++) {
                long row = b.address() + ((long) p * slab.n + from) * bytes;
                Staging.load(b.dtype(), row, columns, to + 4L * p * COLUMNS);
            }
            return;
        }
        long copies = scratch.of(worker, 4L * Lanes.pad(k) * COLUMNS);
        long stride = 4L * Lanes.pad(k);
        for (int j = 0; j < columns; j++) {
            Staging.loadRow(b, from + j, k, DType.F32, copies + j * stride);
        }
        Transpose.run(copies, stride, columns, k, to, 4L * COLUMNS);
    }

    /**
     * The tile of C from row {@code row} on, in the {@code columnTile}-th group of panels. It is
     * formed in scratch and brought home at the end, unless all of it is summed in one go: rows of
     * C often lie a power of two apart and would fight for the same lines of the cache round after
     * round.
     */
    private void tile(Slab slab, int row, int columnTile, int worker) {
        int rows = Math.min(slab.tileRows, slab.m - row);
        int blocks = (rows + ROWS - 1) / ROWS;
        int from = columnTile * slab.tilePanels;
        int end = Math.min(slab.panels, from + slab.tilePanels);
        int column = (slab.firstPanel + from) * COLUMNS;
        int columns = Math.min((end - from) * COLUMNS, slab.n - column);
        boolean direct =
                slab.c.dtype() == DType.F32
                        && slab.k <= DEPTH
                        && rows % ROWS == 0
                        && columns == (end - from) * COLUMNS;
        long blockA = scratch.of(worker, 4L * slab.tileRows * (DEPTH + slab.tilePanels * COLUMNS));
        long own = blockA + 4L * slab.tileRows * DEPTH;
        long c = direct ? slab.c.address() + 4 * ((long) row * slab.n + column) : own;
        long cRow = 4L * (direct ? slab.n : (end - from) * COLUMNS);
        boolean add = direct && slab.accumulate;
        boolean transposed = slab.product == Product.TN;
        // A depth of 0 is one round too: it writes the zeros.
        for (int p = 0; p < Math.max(1, slab.k); p += DEPTH) {
            int depth = Math.min(DEPTH, slab.k - p);
            packA(slab, row, rows, p, depth, blockA);
            long aRow = transposed ? 4 : 4L * depth;
            long aColumn = transposed ? 4L * slab.tileRows : 4;
            for (int panel = from; panel < end; panel++) {
                long b = slab.packed + 4L * COLUMNS * ((long) panel * slab.k + p);
                for (int i = 0; i < blocks; i++) {
                    MicroKernel.run(
                            WIDTH,
                            depth,
                            blockA + i * ROWS * aRow,
                            aRow,
                            aColumn,
                            b,
                            4L * COLUMNS,
                            c + i * ROWS * cRow + 4L * (panel - from) * COLUMNS,
                            cRow,
                            add);
                }
            }
            add = true;
        }
        if (!direct) {
            bringHome(slab, row, rows, column, columns, own, cRow);
        }
    }

    /**
     * a as [rows, depth], or [depth, tileRows] where it is transposed; rows up to a block's end are
     * whatever was there.
     */
    private static void packA(Slab slab, int row, int rows, int p, int depth, long to) {
        Tensor a = slab.a;
        int bytes = a.dtype().bytes();
        if (slab.product == Product.TN) {
            for (int i = 0; i < depth; i++) {
                long from = a.address() + ((long) (p + i) * slab.m + row) * bytes;
                Staging.load(a.dtype(), from, rows, to + 4L * i * slab.tileRows);
            }
        } else {
            for (int i = 0; i < rows; i++) {
                long from = a.address() + ((long) (row + i) * slab.k + p) * bytes;
                Staging.load(a.dtype(), from, depth, to + 4L * i * depth);
            }
        }
    }

    private static void bringHome(
            Slab slab, int row, int rows, int column, int columns, long own, long ownRow) {
        DType dtype = slab.c.dtype();
        for (int i = 0; i < rows; i++) {
            long to = slab.c.address() + ((long) (row + i) * slab.n + column) * dtype.bytes();
            long from = own + i * ownRow;
            if (slab.accumulate) {
                addTo(from, dtype, to, columns);
            }
            Staging.store(dtype, from, columns, to);
        }
    }

    /** x += old */
    private static void addTo(long x, DType dtype, long old, int n) {
        int i = 0;
        for (; dtype == DType.F32 && i <= n - Lanes.COUNT; i += Lanes.COUNT) {
            Lanes.store(Lanes.load(x + 4L * i).add(Lanes.load(old + 4L * i)), x + 4L * i);
        }
        for (; i < n; i++) {
            float before =
                    dtype == DType.F32
                            ? Lanes.get(old + 4L * i)
                            : DType.fromBf16(Lanes.getShort(old + 2L * i));
            Lanes.set(x + 4L * i, Lanes.get(x + 4L * i) + before);
        }
    }
}
