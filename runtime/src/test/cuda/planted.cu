// Kernels with one planted fault each, and the same without: name_wrong and name (EmulatedCardTest).
#include "device.cuh"
#define PAIR(name, parameters, ...)                        \
    KERNEL name parameters { name##Body<false>(__VA_ARGS__); } \
    KERNEL name##_wrong parameters { name##Body<true>(__VA_ARGS__); }

template <bool WRONG> DEVICE void reverseBody(const float* in, float* out) {   // a block of 64: a barrier between write and read
    __shared__ float s[64];
    s[threadIdx.x] = in[threadIdx.x];
    if (!WRONG) __syncthreads();
    out[threadIdx.x] = s[63 - threadIdx.x];
}
PAIR(reverse, (const float* in, float* out), in, out)

template <bool WRONG> DEVICE void reuseBody(const float* in, float* out) {   // a block of 64: a barrier before shared memory is written again
    __shared__ float s[64];
    float sum = 0;
    for (int i = 0; i < 4; i++) {
        s[threadIdx.x] = in[i * 64 + threadIdx.x];
        __syncthreads();
        sum += s[63 - threadIdx.x];
        if (!WRONG) __syncthreads();
    }
    out[threadIdx.x] = sum;
}
PAIR(reuse, (const float* in, float* out), in, out)

template <bool WRONG> DEVICE void exchangeBody(const float* in, float* out) {   // one warp: lanes need __syncwarp
    __shared__ float s[32];
    s[threadIdx.x] = in[threadIdx.x];
    if (!WRONG) __syncwarp();
    out[threadIdx.x] = s[threadIdx.x ^ 1];
}
PAIR(exchange, (const float* in, float* out), in, out)

template <bool WRONG> DEVICE void stagedBody(const float* in, float* out) {   // a block of 64: 16 bytes a thread by cp.async
    __shared__ __align__(16) float s[256];
    copyAsync16(s + threadIdx.x * 4, in + threadIdx.x * 4, true);
    commitCopies();
    waitCopies<WRONG ? 1 : 0>();
    __syncthreads();
    for (int i = 0; i < 4; i++) out[i * 64 + threadIdx.x] = s[255 - (i * 64 + threadIdx.x)];
}
PAIR(staged, (const float* in, float* out), in, out)

template <bool WRONG> DEVICE void handoverBody(const float* in, float* out) {   // warp 0 writes and goes on, warp 1 waits: a named barrier
    __shared__ float s[32];
    int lane = threadIdx.x & 31;
    if (threadIdx.x < 32) {
        s[lane] = in[lane];
        if (!WRONG) asm volatile("bar.arrive 2, 64;" ::: "memory");
    } else {
        if (!WRONG) asm volatile("bar.sync 2, 64;" ::: "memory");
        out[lane] = s[31 - lane];
    }
}
PAIR(handover, (const float* in, float* out), in, out)

template <bool WRONG> DEVICE void shiftBody(const float* in, float* out, int n) {   // out[i] = in[i + 1], 0 at the end
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = WRONG || i + 1 < n ? in[i + 1] : 0;
}
PAIR(shift, (const float* in, float* out, int n), in, out, n)

template <bool WRONG> DEVICE void quadsBody(const float* in, float* out) {   // 16 bytes a thread
    float4 v = *reinterpret_cast<const float4*>(in + (WRONG ? 1 : 4) + 4 * threadIdx.x);
    out[threadIdx.x] = v.x + v.y + v.z + v.w;
}
PAIR(quads, (const float* in, float* out), in, out)

template <bool WRONG> DEVICE void sharedIndexBody(const float* in, float* out) {   // a block of 64
    __shared__ float s[64];
    s[threadIdx.x + (WRONG ? 1 : 0)] = in[threadIdx.x];
    __syncthreads();
    out[threadIdx.x] = s[threadIdx.x];
}
PAIR(sharedIndex, (const float* in, float* out), in, out)

template <bool WRONG> DEVICE void lastWarpBody(const float* in, float* out) {   // a barrier that only some lanes of a warp reach
    if (threadIdx.x < (WRONG ? 40 : 64)) __syncthreads();
    out[threadIdx.x] = in[threadIdx.x];
}
PAIR(lastWarp, (const float* in, float* out), in, out)

template <bool WRONG> DEVICE void halfWarpBody(const float* in, float* out) {   // a shuffle whose mask names lanes that are elsewhere
    float v = in[threadIdx.x];
    if (threadIdx.x < 16) v = __shfl_xor_sync(WRONG ? 0xffffffffu : 0xffffu, v, 1);
    out[threadIdx.x] = v;
}
PAIR(halfWarp, (const float* in, float* out), in, out)

template <bool WRONG> DEVICE void waitForBody(const volatile float* flag, float* out) {
    while (flag[0] != (WRONG ? 12345.0f : 1.0f)) {}
    out[0] = 1;
}
PAIR(waitFor, (const volatile float* flag, float* out), flag, out)

template <bool WRONG> DEVICE void trapBody(const float* in, float* out) {
    if (WRONG && in[0] == 1) __trap();
    out[0] = in[0];
}
PAIR(trap, (const float* in, float* out), in, out)

template <bool WRONG> DEVICE void tileBody(const bf16* a, const bf16* b, float* d) {   // D(16x8) = A(16x16) B(8x16)^T, one warp
    int g = threadIdx.x >> 2, t = (threadIdx.x & 3) * 2;
    u32 x[4], y[2];
    float sum[4] = {};
    for (int q = 0; q < 4; q++) {
        int half = WRONG ? q >> 1 : q & 1, depth = WRONG ? q & 1 : q >> 1;   // swapped: the second and third register
        x[q] = *reinterpret_cast<const u32*>(a + (g + half * 8) * 16 + t + depth * 8);
    }
    for (int q = 0; q < 2; q++) y[q] = *reinterpret_cast<const u32*>(b + g * 16 + t + q * 8);
    mma(sum, x, y);
    for (int q = 0; q < 4; q++) d[(g + (q >> 1) * 8) * 8 + t + (q & 1)] = sum[q];
}
PAIR(tile, (const bf16* a, const bf16* b, float* d), a, b, d)

// ---- no faults: what could be taken for one, and what tests of streams and memory launch

KERNEL scale(const float* in, float* out, float by, int n) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) out[i] = in[i] * by;
}
KERNEL countAlive(int* out) {   // atomics of several warps on one word; an early return before a barrier is legal since Volta
    __shared__ int n;
    if (threadIdx.x >= 96) return;
    if (threadIdx.x == 0) n = 0;
    __syncthreads();
    atomicAdd(&n, 1);
    __syncthreads();
    out[threadIdx.x] = n;
}
KERNEL order(int* next, int* place) {   // one thread a block: the place of each block in the order of all
    place[blockIdx.x] = atomicAdd(next, 1);
}
KERNEL strided(const float* in, float* out, int by) { out[threadIdx.x] = in[threadIdx.x * by] * 2.0f + 1.0f; }
KERNEL banks(float* out, int by) {
    __shared__ float s[32 * 32];
    s[threadIdx.x * by] = threadIdx.x;
    __syncwarp();
    out[threadIdx.x] = s[threadIdx.x * by];
}

// ---- blocks

template <bool WRONG> DEVICE void totalBody(const float* in, float* out) {   // blocks add to one place
    if (WRONG) out[0] += in[blockIdx.x];
    else atomicAdd(out, in[blockIdx.x]);
}
PAIR(total, (const float* in, float* out), in, out)

template <bool WRONG> DEVICE void rowsBody(const float* in, float* out) {   // 13 columns, 16 threads a row: the last three are none of its own
    if (WRONG || threadIdx.x < 13) out[blockIdx.x * 13 + threadIdx.x] = in[threadIdx.x];
}
PAIR(rows, (const float* in, float* out), in, out)

KERNEL narrowRows(const float* in, u16* out) {   // rows of 13 halves: blocks share words, not bytes
    out[blockIdx.x * 13 + threadIdx.x] = narrow(in[threadIdx.x]).x;
}
