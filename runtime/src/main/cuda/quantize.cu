// Values to I8 and back: a block for each group of elements that share a scale (ScaleGroups). A group lies in `rows` runs of `run`
// elements, `heads` · `run` apart.
#include "common.cuh"

/// A NaN is greater than everything, so that it shows.
struct GreatestOrNan {
  __device__ __forceinline__ float operator()(float a, float b) const { return a != a || !(b != b || b > a) ? a : b; }
};

template <class F> __device__ __forceinline__ void overGroup(long group, int rows, int heads, int run, F f) {
  long start = (group / heads * rows * heads + group % heads) * run;
  for (int i = threadIdx.x; i < rows * run; i += blockDim.x) f(start + long(i / run) * heads * run + i % run);
}

template <class T> __device__ __forceinline__ void quantize(const T* from, signed char* to, float* scales, int rows, int heads, int run) {
  __shared__ float scratch[32];
  long group = blockIdx.x;
  float greatest = 0;
  overGroup(group, rows, heads, run, [&](long i) { greatest = GreatestOrNan{}(greatest, fabsf(toFloat(from[i]))); });
  float scale = overBlock(greatest, GreatestOrNan{}, scratch) / 127;
  if (threadIdx.x == 0) scales[group] = scale;
  overGroup(group, rows, heads, run, [&](long i) {
    float r = scale == 0 ? 0 : rintf(toFloat(from[i]) / scale);
    to[i] = (signed char)(int(r != r ? 0 : fminf(fmaxf(r, -127), 127)));
  });
}

template <class T> __device__ __forceinline__ void dequantize(const signed char* from, const float* scales, T* to, int rows, int heads, int run) {
  float scale = scales[blockIdx.x];
  overGroup(blockIdx.x, rows, heads, run, [&](long i) { to[i] = fromFloat<T>(from[i] * scale); });
}

extern "C" {
#define QUANTIZE(T, name)                                                                                                    \
  __global__ void copy_##name##_i8(const T* from, signed char* to, float* scales, int rows, int heads, int run) {            \
    quantize(from, to, scales, rows, heads, run);                                                                            \
  }                                                                                                                          \
  __global__ void copy_i8_##name(const signed char* from, const float* scales, T* to, int rows, int heads, int run) {        \
    dequantize(from, scales, to, rows, heads, run);                                                                          \
  }
QUANTIZE(float, f32)
QUANTIZE(bf16, bf16)
}
