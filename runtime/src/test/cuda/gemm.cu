// C[M,N] (f32) = A[M,K] B[K,N] (bf16, row-major): tiles of 64x64x32, 4 warps, two stages of cp.async, ldmatrix, mma. gemm is right;
// gemm_wait waits for one group of copies too few, gemm_reuse refills a buffer that other warps still read.
#include "device.cuh"
constexpr int TILE = 64, DEPTH = 32, LDA = DEPTH + 8, LDB = TILE + 8;
enum Fault { NONE, WAIT, REUSE };

DEVICE void loadTile(bf16* sa, bf16* sb, const bf16* A, const bf16* B, int M, int N, int K, int m0, int n0, int k0) {
#pragma unroll
    for (int i = 0; i < 2; i++) {   // A: 64 rows of 4 chunks
        int c = threadIdx.x + i * 128, r = c >> 2, k = (c & 3) * 8;
        bool inside = m0 + r < M && k0 + k < K;
        copyAsync16(sa + r * LDA + k, inside ? A + (size_t)(m0 + r) * K + k0 + k : A, inside);
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {   // B: 32 rows of 8 chunks
        int c = threadIdx.x + i * 128, r = c >> 3, n = (c & 7) * 8;
        bool inside = k0 + r < K && n0 + n < N;
        copyAsync16(sb + r * LDB + n, inside ? B + (size_t)(k0 + r) * N + n0 + n : B, inside);
    }
}
template <Fault FAULT> DEVICE void product(const bf16* A, const bf16* B, float* C, int M, int N, int K) {
    __shared__ __align__(16) bf16 sa[2][TILE * LDA], sb[2][DEPTH * LDB];
    int m0 = blockIdx.y * TILE, n0 = blockIdx.x * TILE, lane = threadIdx.x & 31, warp = threadIdx.x >> 5, wm = (warp >> 1) * 32, wn = (warp & 1) * 32;
    float sum[2][4][4] = {};
    int steps = (K + DEPTH - 1) / DEPTH;
    loadTile(sa[0], sb[0], A, B, M, N, K, m0, n0, 0);
    commitCopies();
    for (int s = 0; s < steps; s++) {
        if (s + 1 < steps) loadTile(sa[(s + 1) & 1], sb[(s + 1) & 1], A, B, M, N, K, m0, n0, (s + 1) * DEPTH);
        commitCopies();
        waitCopies<FAULT == WAIT ? 2 : 1>();
        __syncthreads();
#pragma unroll
        for (int kk = 0; kk < DEPTH; kk += 16) {
            u32 a[2][4], b[4][2];
#pragma unroll
            for (int i = 0; i < 2; i++) ldmatrix4(a[i], sa[s & 1] + (wm + i * 16 + (lane & 15)) * LDA + kk + (lane >> 4) * 8);
#pragma unroll
            for (int j = 0; j < 4; j++) ldmatrix2Trans(b[j], sb[s & 1] + (kk + (lane & 15)) * LDB + wn + j * 8);
#pragma unroll
            for (int i = 0; i < 2; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) mma(sum[i][j], a[i], b[j]);
        }
        if (FAULT != REUSE) __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 2; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
#pragma unroll
            for (int h = 0; h < 2; h++) {
                int m = m0 + wm + i * 16 + (lane >> 2) + h * 8, n = n0 + wn + j * 8 + (lane & 3) * 2;
                if (m < M && n < N) *reinterpret_cast<float2*>(C + (size_t)m * N + n) = make_float2(sum[i][j][h * 2], sum[i][j][h * 2 + 1]);
            }
}
#define PARAMETERS (const bf16* __restrict__ A, const bf16* __restrict__ B, float* __restrict__ C, int M, int N, int K)
KERNEL __launch_bounds__(128) gemm PARAMETERS { product<NONE>(A, B, C, M, N, K); }
KERNEL __launch_bounds__(128) gemm_wait PARAMETERS { product<WAIT>(A, B, C, M, N, K); }
KERNEL __launch_bounds__(128) gemm_reuse PARAMETERS { product<REUSE>(A, B, C, M, N, K); }
