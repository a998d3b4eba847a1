// Kernels that go over all elements of tensors.
#include "common.cuh"

/// y = f() for one input-free, f(x) and so on for more: each element of y from those of the inputs at its place. y may be an input.
template <class Y, class F> __device__ __forceinline__ void map(Y* y, long n, F f) {
  overElements(
      n, aligned16(y),
      [&](long i) {
        float r[8];
#pragma unroll
        for (int j = 0; j < 8; j++) r[j] = f();
        store8(y + i, r);
      },
      [&](long i) { y[i] = fromFloat<Y>(f()); });
}
template <class A, class Y, class F> __device__ __forceinline__ void map(const A* a, Y* y, long n, F f) {
  overElements(
      n, aligned16(a, y),
      [&](long i) {
        float r[8];
        load8(a + i, r);
#pragma unroll
        for (int j = 0; j < 8; j++) r[j] = f(r[j]);
        store8(y + i, r);
      },
      [&](long i) { y[i] = fromFloat<Y>(f(toFloat(a[i]))); });
}
template <class A, class B, class Y, class F> __device__ __forceinline__ void map(const A* a, const B* b, Y* y, long n, F f) {
  overElements(
      n, aligned16(a, b, y),
      [&](long i) {
        float r[8], s[8];
        load8(a + i, r), load8(b + i, s);
#pragma unroll
        for (int j = 0; j < 8; j++) r[j] = f(r[j], s[j]);
        store8(y + i, r);
      },
      [&](long i) { y[i] = fromFloat<Y>(f(toFloat(a[i]), toFloat(b[i]))); });
}

__device__ __forceinline__ float sigmoid(float x) { return 1 / (1 + expf(-x)); }

struct SwiGluGradients {
  float gate, up;
};
__device__ __forceinline__ SwiGluGradients swiGluGradients(float dy, float gate, float up) {
  float s = sigmoid(gate);
  return {dy * up * s * (1 + gate * (1 - s)), dy * gate * s};
}
template <class T> __device__ __forceinline__ void swiGluBackward(const T* dy, const T* gate, const T* up, T* dGate, T* dUp, long n) {
  overElements(
      n, aligned16(dy, gate, up, dGate, dUp),
      [&](long i) {
        float d[8], g[8], u[8];
        load8(dy + i, d), load8(gate + i, g), load8(up + i, u);
#pragma unroll
        for (int j = 0; j < 8; j++) {
          SwiGluGradients r = swiGluGradients(d[j], g[j], u[j]);
          g[j] = r.gate, u[j] = r.up;
        }
        store8(dGate + i, g), store8(dUp + i, u);
      },
      [&](long i) {
        SwiGluGradients r = swiGluGradients(toFloat(dy[i]), toFloat(gate[i]), toFloat(up[i]));
        dGate[i] = fromFloat<T>(r.gate), dUp[i] = fromFloat<T>(r.up);
      });
}

/// Constants of a step; the corrections are 1 - beta^step, `decay` is learning rate times weight decay.
struct AdamW {
  float gradScale, beta1, rest1, beta2, rest2, correction1, correction2, eps, learningRate, decay;

  __device__ __forceinline__ void operator()(float& p, float grad, float& m, float& v) const {
    float g = grad * gradScale;
    m = beta1 * m + rest1 * g;
    v = beta2 * v + rest2 * g * g;
    float step = m / correction1 / (sqrtf(v / correction2) + eps);
    p -= decay * p + learningRate * step;
  }
};

/// shadow: the parameters as BF16, or null.
template <class M> __device__ __forceinline__ void adamW(float* param, const float* grad, M* m, float* v, bf16* shadow, AdamW update, long n) {
  overElements(
      n, aligned16(param, grad, m, v, shadow),
      [&](long i) {
        float p8[8], g8[8], m8[8], v8[8];
        load8(param + i, p8), load8(grad + i, g8), load8(m + i, m8), load8(v + i, v8);
#pragma unroll
        for (int j = 0; j < 8; j++) update(p8[j], g8[j], m8[j], v8[j]);
        store8(param + i, p8), store8(m + i, m8), store8(v + i, v8);
        if (shadow) store8(shadow + i, p8);
      },
      [&](long i) {
        float mean = toFloat(m[i]);
        update(param[i], grad[i], mean, v[i]);
        m[i] = fromFloat<M>(mean);
        if (shadow) shadow[i] = fromFloat<bf16>(param[i]);
      });
}

/// Columns of a matrix to those of another, in units of 2, 4 or 16 bytes, a row of blocks for each row of them.
template <class T> __device__ __forceinline__ void copyColumns(const T* from, long fromRow, T* to, long toRow, long n, long rows) {
  for (long row = blockIdx.y; row < rows; row += gridDim.y)
    for (long i = threadIndex(); i < n; i += threadCount()) to[row * toRow + i] = from[row * fromRow + i];
}

extern "C" {
__global__ void fill_f32(float* x, float value, long n) {
  map(x, n, [=] { return value; });
}
__global__ void fill_bf16(bf16* x, float value, long n) {
  map(x, n, [=] { return value; });
}

__global__ void copy_f32_bf16(const float* from, bf16* to, long n) {
  map(from, to, n, [](float x) { return x; });
}
__global__ void copy_bf16_f32(const bf16* from, float* to, long n) {
  map(from, to, n, [](float x) { return x; });
}

__global__ void copyColumns_2(const u16* from, long fromRow, u16* to, long toRow, long n, long rows) { copyColumns(from, fromRow, to, toRow, n, rows); }
__global__ void copyColumns_4(const u32* from, long fromRow, u32* to, long toRow, long n, long rows) { copyColumns(from, fromRow, to, toRow, n, rows); }
__global__ void copyColumns_16(const uint4* from, long fromRow, uint4* to, long toRow, long n, long rows) { copyColumns(from, fromRow, to, toRow, n, rows); }

#define ADD(X, xName, Y, yName) \
  __global__ void add_##xName##_##yName(const X* x, Y* into, long n) { map(x, into, into, n, Sum{}); }
ADD(float, f32, float, f32)
ADD(float, f32, bf16, bf16)
ADD(bf16, bf16, float, f32)
ADD(bf16, bf16, bf16, bf16)

#define SWIGLU(T, name)                                                                                              \
  __global__ void swiGlu_##name(const T* gate, const T* up, T* y, long n) {                                           \
    map(gate, up, y, n, [](float g, float u) { return g * sigmoid(g) * u; });                                         \
  }                                                                                                                   \
  __global__ void swiGluBackward_##name(const T* dy, const T* gate, const T* up, T* dGate, T* dUp, long n) {          \
    swiGluBackward(dy, gate, up, dGate, dUp, n);                                                                      \
  }
SWIGLU(float, f32)
SWIGLU(bf16, bf16)

/// partial[block] = the block's part of Σ x², in F64; sumOfSquares_end adds them, by one block.
__global__ void sumOfSquares_begin(const float* x, double* partial, long n) {
  __shared__ double scratch[32];
  double sum = 0;
  overElements(
      n, aligned16(x),
      [&](long i) {
        float v[8];
        load8(x + i, v);
#pragma unroll
        for (int j = 0; j < 8; j++) sum += double(v[j]) * v[j];
      },
      [&](long i) { sum += double(x[i]) * x[i]; });
  sum = overBlock(sum, Sum{}, scratch);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}
__global__ void sumOfSquares_end(const double* partial, float* result, int n) {
  __shared__ double scratch[32];
  double sum = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) sum += partial[i];
  sum = overBlock(sum, Sum{}, scratch);
  if (threadIdx.x == 0) *result = float(sum);
}

#define ADAMW(M, name) \
  __global__ void adamW_##name(float* param, const float* grad, M* m, float* v, bf16* shadow, float gradScale, float beta1, float rest1, \
      float beta2, float rest2, float correction1, float correction2, float eps, float learningRate, float decay, long n) { \
    adamW(param, grad, m, v, shadow, AdamW{gradScale, beta1, rest1, beta2, rest2, correction1, correction2, eps, learningRate, decay}, n); \
  }
ADAMW(float, f32)
ADAMW(bf16, bf16)
}
