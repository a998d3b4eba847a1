// Products of few rows, and of rows that must not depend on each other: c[m,n] (+)= a[m,·] · b[n,·]. A warp forms an element, so that
// it is what it is whatever else is computed beside it. b is read as it lies, F32, BF16 or I8 with a scale a row.
#include "common.cuh"

__device__ __forceinline__ float toFloat(signed char x) { return x; }
__device__ __forceinline__ void load8(const signed char* p, float (&x)[8]) {
  uint2 a = *reinterpret_cast<const uint2*>(p);
#pragma unroll
  for (int i = 0; i < 8; i++) x[i] = float((signed char)((i < 4 ? a.x : a.y) >> i % 4 * 8));
}

template <class A, class B, class C>
__device__ __forceinline__ void rowProduct(const A* a, const B* b, const float* scales, C* c, long m, long n, long k, int accumulate) {
  long warps = threadCount() / 32, lane = threadIdx.x % 32;
  bool aligned = k % 8 == 0 && aligned16(a, b);
  for (long at = threadIndex() / 32; at < m * n; at += warps) {
    long row = at / n, column = at - row * n;
    const A* left = a + row * k;
    const B* right = b + column * k;
    float sum = 0;
    if (aligned) {
      for (long i = lane * 8; i < k; i += 256) {
        float x[8], y[8];
        load8(left + i, x), load8(right + i, y);
#pragma unroll
        for (int j = 0; j < 8; j++) sum += x[j] * y[j];
      }
    } else {
      for (long i = lane; i < k; i += 32) sum += toFloat(left[i]) * toFloat(right[i]);
    }
    sum = overWarp(sum, Sum{});
    if (scales) sum *= scales[column];
    if (lane == 0) c[at] = fromFloat<C>(accumulate ? toFloat(c[at]) + sum : sum);
  }
}

extern "C" {
#define ROW_PRODUCT(A, aName, B, bName, C, cName)                                                                                 \
  __global__ void rowProduct_##aName##_##bName##_##cName(                                                                         \
      const A* a, const B* b, const float* scales, C* c, long m, long n, long k, int accumulate) {                                \
    rowProduct(a, b, scales, c, m, n, k, accumulate);                                                                             \
  }
ROW_PRODUCT(float, f32, float, f32, float, f32)
ROW_PRODUCT(float, f32, bf16, bf16, float, f32)
ROW_PRODUCT(float, f32, signed char, i8, float, f32)
ROW_PRODUCT(bf16, bf16, float, f32, float, f32)
ROW_PRODUCT(bf16, bf16, bf16, bf16, float, f32)
ROW_PRODUCT(bf16, bf16, signed char, i8, float, f32)
ROW_PRODUCT(bf16, bf16, float, f32, bf16, bf16)
ROW_PRODUCT(bf16, bf16, bf16, bf16, bf16, bf16)
ROW_PRODUCT(bf16, bf16, signed char, i8, bf16, bf16)
}
