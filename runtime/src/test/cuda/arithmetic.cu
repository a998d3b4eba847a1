// What nvcc makes of the functions that kernels call: row i of the result holds them for x[i].
#include "device.cuh"

KERNEL floats(const float* x, float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float v = x[i], p = fabsf(v) + 0.01f;
    const float r[] = {expf(v), __expf(v), exp2f(v), logf(p), __logf(p), log1pf(p), expm1f(v), tanhf(v), sqrtf(p), rsqrtf(p), 1.0f / (1.0f + p), __fdividef(v, p),
                       powf(p, 1.7f), sinf(v), cosf(v), erff(v), fmaf(v, v, v), rintf(v * 10), truncf(v * 10), floorf(v * 10), fmaxf(v, 0.5f), fminf(v, 0.5f)};
#pragma unroll
    for (int k = 0; k < 22; k++) y[(size_t)i * 22 + k] = r[k];
}
KERNEL doubles(const double* x, double* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double v = x[i], p = fabs(v) + 0.01, s, c;
    sincospi(v, &s, &c);
    const double r[] = {s, c, 1 / p, v / p, sqrt(p), exp(v), log(p), rint(v * 10), fma(v, v, v), (double)(float)v};
#pragma unroll
    for (int k = 0; k < 10; k++) y[(size_t)i * 10 + k] = r[k];
}
KERNEL integers(const long long* x, long long* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    long long v = x[i];
    u64 u = v;
    int w = (int)v;
    const long long r[] = {v / 7,     v % 1000,     (long long)(u / 7),      (long long)(u % 1000),      __mul64hi(v, v), (long long)__umul64hi(u, u), v >> 5,       (long long)(u >> 5),
                           v << 3,    __popcll(u),  __clzll(v),              __ffsll(v),                 (long long)__brevll(u), llabs(v),             min(v, 5LL),  w / 7,
                           w % 1000,  __mulhi(w, w), (u32)w / 7,             __popc(w),                  __clz(w),        (long long)__funnelshift_l(w, ~w, 7), (long long)__byte_perm(w, ~w, 0x2541), (int)(short)w};
#pragma unroll
    for (int k = 0; k < 24; k++) y[(size_t)i * 24 + k] = r[k];
}
KERNEL halves(const float* x, float* y, int n) {   // through bf16 and back, and packed in pairs
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    u32 pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(x[i] * 2), "f"(x[i]));
    y[i * 3] = widen(narrow(x[i]));
    y[i * 3 + 1] = __uint_as_float(pair << 16);
    y[i * 3 + 2] = __uint_as_float(pair & 0xffff0000u);
}
// votes of a block and of a warp: counts, and/or, lanes with the same value, sums
KERNEL votes(const int* x, int* y) {
    int t = threadIdx.x, n = blockDim.x, v = x[t];
    y[t] = __syncthreads_count(v > 0);
    y[n + t] = __syncthreads_and(v > -100) * 2 + __syncthreads_or(v > 1000);
    y[2 * n + t] = (int)__match_any_sync(0xffffffffu, v & 3);
    y[3 * n + t] = __reduce_add_sync(0xffffffffu, v);
    y[4 * n + t] = (int)__ballot_sync(0xffffffffu, v > 0);
}
KERNEL atomics(u32* y, float* sum, double* dsum) {
    u32 t = threadIdx.x;
    atomicAnd(y, ~(1u << t));
    atomicOr(y + 1, 1u << t);
    atomicXor(y + 2, t);
    atomicInc(y + 3, 20);
    atomicMax(y + 4, t * 3);
    atomicMin(y + 5, t + 3);
    atomicCAS(y + 6, t, t + 1);
    atomicAdd(sum, 0.5f);
    atomicAdd(dsum, 0.25);
}
