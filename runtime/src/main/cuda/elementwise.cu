// Kernels that go over all elements of a tensor.
#include "common.cuh"

template <class T> __device__ __forceinline__ void fill(T* x, float value, long n) {
  long done = 0;
  if (aligned16(x)) {
    float v[8] = {value, value, value, value, value, value, value, value};
    for (long i = threadIndex() * 8; i + 8 <= n; i += threadCount() * 8) store8(x + i, v);
    done = n / 8 * 8;
  }
  for (long i = done + threadIndex(); i < n; i += threadCount()) x[i] = fromFloat<T>(value);
}

extern "C" {
__global__ void fill_f32(float* x, float value, long n) { fill(x, value, n); }
__global__ void fill_bf16(bf16* x, float value, long n) { fill(x, value, n); }
}
