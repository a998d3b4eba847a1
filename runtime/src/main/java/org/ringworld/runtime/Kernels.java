package org.ringworld.runtime;

/**
 * The operations of a device, forward and backward in pairs. Every kernel checks its shapes at the
 * door ({@link Shapes}) and throws an {@link IllegalArgumentException} that says both.
 *
 * <p>Letters: S local sequence, T keys, H heads, G KV heads (H is a multiple of G; head h reads KV
 * head h / (H / G)), D headDim, E hidden, V vocabulary. "Values" are F32 or BF16, all of one call's
 * value tensors alike unless said otherwise; sums and statistics are F32 inside. Tensors may be
 * given under any shape of the same size where only rows and a last axis matter: rows are all axes
 * but the last.
 *
 * <p>Results do not depend on timing: partial sums are added in a fixed order, given the number of
 * the device's threads.
 */
public interface Kernels {

    /** Which operand of a product is transposed. */
    enum Product {
        /** c[M,N] = a[M,K] · b[K,N]. */
        NN,
        /** c[M,N] = a[M,K] · b[N,K]ᵀ. */
        NT,
        /** c[M,N] = a[K,M]ᵀ · b[K,N]. */
        TN
    }

    /**
     * Matrix product. a, b: values, two axes; c: F32, or BF16 where a is. Sums in F32. With {@code
     * accumulate} the product is added to c. In NT, b may have another dtype than a, I8 too; where
     * a has many rows, b is rounded to a's.
     */
    void matmul(Product product, Tensor a, Tensor b, Tensor c, boolean accumulate);

    /**
     * Whether a row of c of a product {@link Product#NT} is formed in one way from now on: bit for
     * bit what it would be alone, whatever rows are beside it. Slower with many; off at first.
     */
    void rowwise(boolean on);

    /** x = value, any value dtype. */
    void fill(Tensor x, float value);

    /**
     * to = from, converting between F32, BF16 and I8 where the dtypes differ, to the nearest. I8
     * gets new scales: an element is off by half of its group's at most. A NaN makes its whole
     * group NaN.
     */
    void copy(Tensor from, Tensor to);

    /**
     * Columns [toColumn, toColumn + n) of to [S,N] = columns [fromColumn, fromColumn + n) of from
     * [S,M]; values of one dtype.
     */
    void copyColumns(Tensor from, long fromColumn, Tensor to, long toColumn, long n);

    /** into += x; either may be F32 or BF16. */
    void add(Tensor x, Tensor into);

    /** result[0] = Σ x², summed in F64, rounded to F32. x: F32; result: F32 [1]. */
    void sumOfSquares(Tensor x, Tensor result);

    /** y[s] = table[ids[s]]. ids: I32 [S]; table: values [V,E]; y: values [S,E]. */
    void embedding(Tensor ids, Tensor table, Tensor y);

    /** dTable[ids[s]] += dy[s]. dy: values [S,E]; dTable: F32 [V,E]. */
    void embeddingBackward(Tensor ids, Tensor dy, Tensor dTable);

    /**
     * y = x / rms(x) · weight over the last axis (Zhang and Sennrich 2019, eq. 4). x, y: values
     * [S,E]; weight: values [E]; rstd: F32 [S], kept for backward.
     */
    void rmsNorm(Tensor x, Tensor weight, float eps, Tensor y, Tensor rstd);

    /** Adds to dx and dWeight. dy, x, dx: values [S,E]; dWeight: F32 [E]. */
    void rmsNormBackward(
            Tensor dy, Tensor x, Tensor weight, Tensor rstd, Tensor dx, Tensor dWeight);

    /**
     * Rotary angles, formed in F64 (at a million positions F32 is wrong by 3e-3 in the logits):
     * cos, sin [S,D/2] = scale · cos, sin(position · inverseFrequency). positions: I32 [S].
     */
    void rotaryAngles(
            Tensor positions, double[] inverseFrequencies, double scale, Tensor cos, Tensor sin);

    /**
     * Rotary embedding (RoFormer, eq. 34) in HF's order: the pair of element i is i + D/2. x, y:
     * values [S,heads,D], may be the same; cos, sin: F32 [S,D/2].
     */
    void rotary(Tensor x, Tensor cos, Tensor sin, Tensor y);

    /** The rotation by the negative angle: dx = Rᵀ dy. dy: F32 or values; dx: values. */
    void rotaryBackward(Tensor dy, Tensor cos, Tensor sin, Tensor dx);

    /** y = silu(gate) · up. All values of one shape; y may be gate or up. */
    void swiGlu(Tensor gate, Tensor up, Tensor y);

    /** dGate = dy · up · silu'(gate), dUp = dy · silu(gate); each may be its own input. */
    void swiGluBackward(Tensor dy, Tensor gate, Tensor up, Tensor dGate, Tensor dUp);

    /**
     * Blockwise attention (FlashAttention; RingAttention, §3) of all queries to one block of keys,
     * continuing a carried state. Query q sees key k iff segment(q) = segment(k) ≥ 0 and
     * position(k) ≤ position(q); blocks of keys that no query can see cost nothing.
     *
     * <p>q: values [S,H,D]; k, v: values [T,G,D]; positions and segments: I32 [S] and [T]. The
     * state: out, F32 [S,H,D], the normalised result so far; max, F32 [S,H], the greatest score so
     * far in units of ln 2, or up to 8 less; and sum, F32 [S,H], that of 2^(score − max). The two
     * are apart because F32 holds a maximum exactly, but of their log-sum-exp, where scores are
     * thousands, only three decimals. Before the first block out is 0, max −∞ and sum 0; a query
     * that has seen nothing keeps them.
     */
    void attention(
            Tensor q,
            Tensor qPositions,
            Tensor qSegments,
            Tensor k,
            Tensor v,
            Tensor kPositions,
            Tensor kSegments,
            float scale,
            Tensor out,
            Tensor max,
            Tensor sum);

    /**
     * Attention of queries to the keys of their own sequences, which lie in pages of a pool
     * (PagedAttention, Kwon et al. 2023). Parts of a sequence are computed side by side and merged
     * (Flash-Decoding), so one query of a long sequence keeps all of a device busy; for sequences
     * with many queries {@link #attention}, a page at a time, is the faster one. A query sees a key
     * iff position(k) ≤ position(q): places of a page that hold no key have the greatest position.
     *
     * <p>q: values [S,H,D]; qPositions: I32 [S], growing within a sequence; pool: values or I8
     * [P,2,T,G,D], each page its keys and then its values, T a multiple of 16; open: values
     * [O,2,T,G,D], pages with the numbers from P on, of which there may be none; kPositions: I32
     * [P+O,T]. out, max and sum are written, as {@link #attention} leaves them after all of a
     * sequence's keys; rows of no sequence are left alone.
     */
    void pagedAttention(
            Tensor q,
            Tensor qPositions,
            Tensor pool,
            Tensor open,
            Tensor kPositions,
            PageTable table,
            float scale,
            Tensor out,
            Tensor max,
            Tensor sum);

    /**
     * Merges partial results of attention: (out, max, sum), as {@link #attention} leaves them,
     * becomes what it is after all keys that either has seen, where no key is of both
     * (Flash-Decoding; FlashInfer's merge_state). An empty one, (0, −∞, 0), changes nothing on
     * either side. outs: F32 [S,H,D]; maxima and sums: F32 [S,H].
     */
    void attentionMerge(
            Tensor otherOut, Tensor otherMax, Tensor otherSum, Tensor out, Tensor max, Tensor sum);

    /**
     * delta[s,h] = Σ_d dOut · out. dOut, out: values [S,H,D], each of its own dtype; delta: F32.
     */
    void attentionDelta(Tensor dOut, Tensor out, Tensor delta);

    /**
     * Adds to dq, dk and dv what one block of keys contributes (FlashAttention-2, alg. 2). max, sum
     * and delta: F32 [S,H], of the whole row; dq: F32 [S,H,D]; dk, dv: F32 [T,G,D]; dOut: values.
     */
    void attentionBackward(
            Tensor q,
            Tensor qPositions,
            Tensor qSegments,
            Tensor k,
            Tensor v,
            Tensor kPositions,
            Tensor kSegments,
            float scale,
            Tensor dOut,
            Tensor max,
            Tensor sum,
            Tensor delta,
            Tensor dq,
            Tensor dk,
            Tensor dv);

    /**
     * Softmax cross-entropy with its gradient formed in the same pass. logits: F32 [S,V]; targets:
     * I32 [S], −100 (any negative) for none; weights: F32 [S]. Writes ce: F32 [S], −log
     * softmax(logits)[target], 0 where there is no target; hits: I32 [S], 1 where the target has
     * the greatest logit (the first of equals). Where {@code dLogits} is not null: values [S,V],
     * may be logits itself, = weights[s] · gradScale · (softmax − onehot); rows of weight 0 or
     * without target are exactly 0.
     */
    void crossEntropy(
            Tensor logits,
            Tensor targets,
            Tensor weights,
            float gradScale,
            Tensor ce,
            Tensor hits,
            Tensor dLogits);

    /**
     * One AdamW update (Loshchilov and Hutter 2019, alg. 2; decay times learning rate). param,
     * grad, v: F32 of one size; m: values, rounded after the update has used it (optax's mu_dtype);
     * {@code shadow}: the same parameters rounded to BF16, or null.
     */
    void adamW(Tensor param, Tensor grad, Tensor m, Tensor v, Tensor shadow, AdamWStep step);

    /**
     * Constants of one update: gradScale multiplies the gradient first (clipping); {@code step}
     * counts from 1 for the bias corrections.
     */
    record AdamWStep(
            float learningRate,
            float beta1,
            float beta2,
            float eps,
            float weightDecay,
            float gradScale,
            long step) {}
}
