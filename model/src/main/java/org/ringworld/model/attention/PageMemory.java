package org.ringworld.model.attention;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.ScaleGroups;
import org.ringworld.runtime.Tensor;

/**
 * The keys and values that a rank has for sequences it may go on with, in pages of {@link #TOKENS}
 * (PagedAttention, Kwon et al. 2023). All of it is taken at once; which sequence has which page is
 * said by whoever fills them.
 *
 * <p>Pages may be kept in another dtype than the model computes in, I8 too, with a scale for the
 * keys and one for the values of each head. Such a page is open until its last place is filled: it
 * lies in a slot in the compute dtype, so that what was just read is exact and a scale is found
 * once, of a whole page.
 */
public final class PageMemory implements AutoCloseable {
    /** Tokens of a page. */
    public static final int TOKENS = 128;

    /** The position of a place that holds no token: nobody sees so far. */
    private static final int NOWHERE = Integer.MAX_VALUE;

    private static final int NO_SLOT = -1;

    private final Device device;
    private final int pages;
    private final Tensor[] pools;
    private final Tensor[] slots;
    private final Tensor positions;
    private final int[] known;
    private final int[] slotOf;
    private final Deque<Integer> freeSlots = new ArrayDeque<>();
    private final List<Integer> filled = new ArrayList<>();

    /**
     * @param dtype of the pages: F32, BF16 or I8
     * @param computeDtype of keys and values as they are made: F32 or BF16
     * @param pages how many
     * @param open how many may be partly filled, or be filled in one batch, at a time; where the
     *     dtypes are the same, all may
     * @throws OutOfMemoryError where the device has no room, saying what would fit; nothing of it
     *     stays taken then
     */
    public PageMemory(
            Device device,
            LlamaConfig config,
            DType dtype,
            DType computeDtype,
            int pages,
            int open) {
        this.device = device;
        this.pages = pages;
        int count = dtype == computeDtype ? 0 : Math.min(open, pages);
        checkFits(
                device.memory() - device.allocated() - count * bytes(config, computeDtype),
                pages,
                bytes(config, dtype));
        this.pools = new Tensor[config.numLayers()];
        this.slots = new Tensor[config.numLayers()];
        try {
            for (int layer = 0; layer < pools.length; layer++) {
                pools[layer] = device.tensor(dtype, shape(config, pages));
                slots[layer] = device.tensor(computeDtype, shape(config, count));
            }
            this.positions = device.tensor(DType.I32, pages + count, TOKENS);
        } catch (OutOfMemoryError e) {
            freeTensors();
            throw e;
        }
        this.known = new int[pages * TOKENS];
        Arrays.fill(known, NOWHERE);
        this.slotOf = new int[pages];
        Arrays.fill(slotOf, NO_SLOT);
        for (int slot = 0; slot < count; slot++) {
            freeSlots.add(slot);
        }
        BlockTensors.copy(device, known, positions.rows(0, pages).view(known.length));
    }

    private static void checkFits(long room, long pages, long bytes) {
        long fit = Math.max(0, room / bytes);
        if (pages > fit) {
            throw new OutOfMemoryError(
                    "keys and values of %d tokens are %.1f GB, a device has room for %d tokens: ask for less, or give %s devices like it"
                            .formatted(
                                    pages * TOKENS,
                                    pages * bytes / 1e9,
                                    fit * TOKENS,
                                    fit == 0
                                            ? "other"
                                            : Math.ceilDiv(pages, fit) + " times as many"));
        }
    }

    private static long[] shape(LlamaConfig config, int pages) {
        return new long[] {pages, 2, TOKENS, config.numKvHeads(), config.headDim()};
    }

    /** Bytes of a page of all layers; of a slot with the compute dtype. */
    public static long bytes(LlamaConfig config, DType dtype) {
        long[] one = shape(config, 1);
        long scales = dtype == DType.I8 ? ScaleGroups.of(one).count() * DType.F32.bytes() : 0;
        return config.numLayers() * (Tensor.count(one) * dtype.bytes() + scales)
                + (long) TOKENS * DType.I32.bytes();
    }

    /** How many pages hold so many tokens. */
    public static int pages(int tokens) {
        return Math.ceilDiv(tokens, TOKENS);
    }

    /** Values or I8 [P,2,T,G,D] of a layer: of each page its keys, then its values. */
    Tensor pool(int layer) {
        return pools[layer];
    }

    /** Values [O,2,T,G,D] of a layer: open pages. */
    Tensor slots(int layer) {
        return slots[layer];
    }

    /** I32 [P+O,T], by {@link #number}. */
    Tensor positions() {
        return positions;
    }

    /** Where a page lies at present: in the pool, or behind it in a slot. */
    int number(int page) {
        return isOpen(page) ? pages + slotOf[page] : page;
    }

    private boolean isOpen(int page) {
        return slotOf[page] != NO_SLOT;
    }

    /** Whether pages lie in slots first. */
    private boolean hasSlots() {
        return pools[0].dtype() != slots[0].dtype();
    }

    /** Keys [1,T,G,D] of a page. */
    Tensor keys(int layer, int page) {
        return half(layer, page, 0);
    }

    /** Values [1,T,G,D] of a page. */
    Tensor values(int layer, int page) {
        return half(layer, page, 1);
    }

    private Tensor half(int layer, int page, int half) {
        Tensor from = isOpen(page) ? slots[layer] : pools[layer];
        long row = 2L * (isOpen(page) ? slotOf[page] : page) + half;
        return from.view(2 * from.dim(0), TOKENS, from.dim(3), from.dim(4)).rows(row, row + 1);
    }

    /** Where keys [n,G,D] at places [from, from + n) of a page are to be written. */
    Tensor keys(int layer, int page, int from, int n) {
        return places(keys(layer, page), from, n);
    }

    /** Where values [n,G,D] are, likewise. */
    Tensor values(int layer, int page, int from, int n) {
        return places(values(layer, page), from, n);
    }

    private static Tensor places(Tensor half, int from, int n) {
        return half.view(TOKENS, half.dim(2), half.dim(3)).rows(from, from + n);
    }

    /**
     * Says that the n tokens at {@code from} and behind it on a page have these positions.
     *
     * @throws IllegalStateException where more pages would be open than was said
     */
    void place(int page, int from, int first, int n) {
        if (hasSlots() && !isOpen(page)) {
            open(page);
        }
        for (int i = 0; i < n; i++) {
            known[page * TOKENS + from + i] = first + i;
        }
        copyPositions(page);
        if (hasSlots() && from + n == TOKENS) {
            filled.add(page);
        }
    }

    private void open(int page) {
        if (freeSlots.isEmpty()) {
            throw new IllegalStateException(
                    "%d pages are open, and no more can be".formatted(slots[0].dim(0)));
        }
        int slot = freeSlots.remove();
        slotOf[page] = slot;
        Arrays.fill(known, page * TOKENS, (page + 1) * TOKENS, NOWHERE);
        zero(slots, slot);
    }

    /** What is hidden is multiplied by 0, which a NaN outlives. */
    private void zero(Tensor[] layers, int row) {
        for (Tensor layer : layers) {
            device.kernels().fill(layer.rows(row, row + 1), 0);
        }
    }

    private void copyPositions(int page) {
        int[] own = Arrays.copyOfRange(known, page * TOKENS, (page + 1) * TOKENS);
        int row = number(page);
        BlockTensors.copy(device, own, positions.rows(row, row + 1));
    }

    /** Keys and values of a layer are there: pages that are full now go to the pool. */
    void complete(int layer) {
        for (int page : filled) {
            Tensor slot = slots[layer].rows(slotOf[page], slotOf[page] + 1);
            device.kernels().copy(slot, pools[layer].rows(page, page + 1));
        }
    }

    /** All layers are complete: full pages are read from the pool from now on. */
    public void settle() {
        List.copyOf(filled).forEach(this::release);
    }

    /** Nobody goes on with any page that is open, be it that it was just filled. */
    public void abandon() {
        filled.clear();
        for (int page = 0; page < pages; page++) {
            release(page);
        }
    }

    /** Positions of all places of some pages, as they lie. */
    int[] positions(int[] which) {
        int[] all = new int[which.length * TOKENS];
        for (int i = 0; i < which.length; i++) {
            System.arraycopy(known, which[i] * TOKENS, all, i * TOKENS, TOKENS);
        }
        return all;
    }

    /** A page holds nothing any more, for whoever gets it next. */
    public void clear(int page) {
        if (hasSlots()) {
            release(page);
            return;
        }
        Arrays.fill(known, page * TOKENS, (page + 1) * TOKENS, NOWHERE);
        copyPositions(page);
        zero(pools, page);
    }

    /**
     * A full page's memory, to be copied as it is to where another device has the same: of each
     * layer its keys and values, and their scales where they have some.
     */
    public List<Tensor> parts(int page) {
        List<Tensor> parts = new ArrayList<>();
        for (Tensor pool : pools) {
            Tensor row = pool.rows(page, page + 1);
            parts.add(row.scales() == null ? row : row.bits());
            if (row.scales() != null) {
                parts.add(row.scales());
            }
        }
        return parts;
    }

    /** A page's memory has come from elsewhere: it is full, and the index-th of its texts. */
    public void hold(int page, int index) {
        release(page);
        for (int i = 0; i < TOKENS; i++) {
            known[page * TOKENS + i] = index * TOKENS + i;
        }
        copyPositions(page);
    }

    /** Nobody goes on with a page: its slot is free for another, and a full one is in the pool. */
    public void release(int page) {
        if (isOpen(page)) {
            freeSlots.add(slotOf[page]);
            slotOf[page] = NO_SLOT;
            if (filled.remove((Integer) page)) {
                copyPositions(page);
            }
        }
    }

    @Override
    public void close() {
        freeTensors();
        device.free(positions);
    }

    private void freeTensors() {
        for (Tensor[] layers : List.of(pools, slots)) {
            for (Tensor layer : layers) {
                if (layer != null) {
                    device.free(layer);
                }
            }
        }
    }
}
