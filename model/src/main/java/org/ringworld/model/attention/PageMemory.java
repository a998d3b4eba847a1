package org.ringworld.model.attention;

import java.util.Arrays;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.runtime.DType;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Tensor;

/**
 * The keys and values that a rank has for sequences it may go on with, in pages of {@link #TOKENS}
 * (PagedAttention, Kwon et al. 2023). All of it is taken at once; which sequence has which page is
 * said by whoever fills them.
 */
public final class PageMemory implements AutoCloseable {
    /** Tokens of a page. */
    public static final int TOKENS = 128;

    /** The position of a place that holds no token: nobody sees so far. */
    private static final int NOWHERE = Integer.MAX_VALUE;

    private final Device device;
    private final Tensor[] pools;
    private final Tensor positions;
    private final int[] known;

    /**
     * @param pages how many
     * @throws OutOfMemoryError where the device has no room, saying what would fit; nothing of it
     *     stays taken then
     */
    public PageMemory(Device device, LlamaConfig config, DType dtype, int pages) {
        this.device = device;
        checkFits(device.memory() - device.allocated(), pages, bytes(config, dtype));
        this.pools = new Tensor[config.numLayers()];
        try {
            for (int layer = 0; layer < pools.length; layer++) {
                pools[layer] =
                        device.tensor(
                                dtype, pages, 2, TOKENS, config.numKvHeads(), config.headDim());
            }
            this.positions = device.tensor(DType.I32, pages, TOKENS);
        } catch (OutOfMemoryError e) {
            for (Tensor pool : pools) {
                if (pool != null) {
                    device.free(pool);
                }
            }
            throw e;
        }
        this.known = new int[pages * TOKENS];
        Arrays.fill(known, NOWHERE);
        BlockTensors.copy(device, known, positions.view(known.length));
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

    /** Bytes of a page of all layers. */
    public static long bytes(LlamaConfig config, DType dtype) {
        return 2L
                        * TOKENS
                        * config.numLayers()
                        * config.numKvHeads()
                        * config.headDim()
                        * dtype.bytes()
                + (long) TOKENS * DType.I32.bytes();
    }

    /** How many pages hold so many tokens. */
    public static int pages(int tokens) {
        return Math.ceilDiv(tokens, TOKENS);
    }

    public int pages() {
        return Math.toIntExact(positions.dim(0));
    }

    /** Values [P,2,T,G,D] of a layer: of each page its keys, then its values. */
    Tensor pool(int layer) {
        return pools[layer];
    }

    /** I32 [P,T]. */
    Tensor positions() {
        return positions;
    }

    /** Keys [n,G,D] at places [from, from + n) of a page. */
    Tensor keys(int layer, int page, int from, int n) {
        return places(layer, 2L * page * TOKENS + from, n);
    }

    /** Values [n,G,D] likewise. */
    Tensor values(int layer, int page, int from, int n) {
        return places(layer, (2L * page + 1) * TOKENS + from, n);
    }

    private Tensor places(int layer, long first, int n) {
        Tensor pool = pools[layer];
        return pool.view(pool.dim(0) * 2 * TOKENS, pool.dim(3), pool.dim(4)).rows(first, first + n);
    }

    /** Says that the n tokens at {@code from} and behind it on a page have these positions. */
    void place(int page, int from, int first, int n) {
        int at = page * TOKENS + from;
        for (int i = 0; i < n; i++) {
            known[at + i] = first + i;
        }
        int[] own = Arrays.copyOfRange(known, at, at + n);
        BlockTensors.copy(device, own, positions.view(known.length).rows(at, at + n));
    }

    /** Positions of all places of some pages, as they lie. */
    int[] positions(int[] pages) {
        int[] all = new int[pages.length * TOKENS];
        for (int i = 0; i < pages.length; i++) {
            System.arraycopy(known, pages[i] * TOKENS, all, i * TOKENS, TOKENS);
        }
        return all;
    }

    /** A page holds nothing any more, for whoever gets it next. */
    public void clear(int page) {
        Arrays.fill(known, page * TOKENS, (page + 1) * TOKENS, NOWHERE);
        int[] nowhere = Arrays.copyOfRange(known, page * TOKENS, (page + 1) * TOKENS);
        BlockTensors.copy(device, nowhere, positions.rows(page, page + 1));
        for (Tensor pool : pools) { // what is hidden is multiplied by 0, which a NaN outlives
            device.kernels().fill(pool.rows(page, page + 1), 0);
        }
    }

    @Override
    public void close() {
        device.free(positions);
        for (Tensor pool : pools) {
            device.free(pool);
        }
    }
}
