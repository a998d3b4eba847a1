// Kernels of a row at a time: a block each. Sums are added in an order that the row's length and the block's size give.
#include "common.cuh"

template <class T>
__device__ __forceinline__ void rmsNorm(const T* x, const T* weight, float eps, T* y, float* rstd, long dim) {
  __shared__ float scratch[32];
  long row = blockIdx.x;
  x += row * dim, y += row * dim;
  bool aligned = aligned16(x, weight, y);
  float sum = 0;
  overRow(
      dim, aligned,
      [&](long i) {
        float v[8];
        load8(x + i, v);
#pragma unroll
        for (int j = 0; j < 8; j++) sum += v[j] * v[j];
      },
      [&](long i) {
        float v = toFloat(x[i]);
        sum += v * v;
      });
  float r = rsqrt(double(overBlock(sum, Sum{}, scratch)) / dim + eps);
  if (threadIdx.x == 0) rstd[row] = r;
  overRow(
      dim, aligned,
      [&](long i) {
        float v[8], w[8];
        load8(x + i, v), load8(weight + i, w);
#pragma unroll
        for (int j = 0; j < 8; j++) v[j] = v[j] * r * w[j];
        store8(y + i, v);
      },
      [&](long i) { y[i] = fromFloat<T>(toFloat(x[i]) * r * toFloat(weight[i])); });
}

/// dx += r · (dy · weight - x · r · dot / dim), where dot = Σ dy · weight · x · r.
template <class T>
__device__ __forceinline__ void rmsNormBackward(const T* dy, const T* x, const T* weight, const float* rstd, T* dx, long dim) {
  __shared__ float scratch[32];
  long row = blockIdx.x;
  dy += row * dim, x += row * dim, dx += row * dim;
  bool aligned = aligned16(dy, x, weight, dx);
  float r = rstd[row], sum = 0;
  overRow(
      dim, aligned,
      [&](long i) {
        float d[8], v[8], w[8];
        load8(dy + i, d), load8(x + i, v), load8(weight + i, w);
#pragma unroll
        for (int j = 0; j < 8; j++) sum += d[j] * w[j] * v[j];
      },
      [&](long i) { sum += toFloat(dy[i]) * toFloat(weight[i]) * toFloat(x[i]); });
  float mean = overBlock(sum, Sum{}, scratch) * r * r / dim;
  overRow(
      dim, aligned,
      [&](long i) {
        float d[8], v[8], w[8], into[8];
        load8(dy + i, d), load8(x + i, v), load8(weight + i, w), load8(dx + i, into);
#pragma unroll
        for (int j = 0; j < 8; j++) into[j] += r * (d[j] * w[j] - v[j] * mean);
        store8(dx + i, into);
      },
      [&](long i) {
        dx[i] = fromFloat<T>(toFloat(dx[i]) + r * (toFloat(dy[i]) * toFloat(weight[i]) - toFloat(x[i]) * mean));
      });
}

/// partial[chunk,dim] = Σ dy · x · rstd over the rows of a chunk; a thread for each column.
template <class T>
__device__ __forceinline__ void weightGradient(const T* dy, const T* x, const float* rstd, float* partial, long rows, long chunk, long dim) {
  long column = threadIndex(), from = blockIdx.y * chunk, to = from + chunk < rows ? from + chunk : rows;
  if (column >= dim) return;
  float sum = 0;
  for (long row = from; row < to; row++) sum += toFloat(dy[row * dim + column]) * toFloat(x[row * dim + column]) * rstd[row];
  partial[blockIdx.y * dim + column] = sum;
}

/// Softmax cross-entropy of a row, and its gradient if dLogits is not null, which may be the logits: what is read of them after the
/// first is written is each thread's own.
template <class T>
__device__ __forceinline__ void crossEntropy(const float* logits, const int* targets, const float* weights, float gradScale, float* ce,
    int* hits, T* dLogits, long vocab, Fault* fault) {
  __shared__ float scratch[32];
  __shared__ int places[32];
  long row = blockIdx.x;
  logits += row * vocab;
  int target = targets[row];
  if (target >= vocab) {
    if (threadIdx.x == 0) raise(fault, 3, target, int(vocab));
    return;
  }
  bool aligned = aligned16(logits);
  float greatest = -INFINITY;
  int place = 0x7fffffff;
  auto see = [&](float x, long i) {
    if (x > greatest) greatest = x, place = int(i);
  };
  overRow(
      vocab, aligned,
      [&](long i) {
        float x[8];
        load8(logits + i, x);
#pragma unroll
        for (int j = 0; j < 8; j++) see(x[j], i + j);
      },
      [&](long i) { see(logits[i], i); });
  float max = overBlock(greatest, Greatest{}, scratch);
  // The first of equals; where no logit is greater than -inf it is the first of all.
  int first = overBlock(greatest == max && place != 0x7fffffff ? place : 0x7fffffff, Least{}, places);
  float sum = 0;
  overRow(
      vocab, aligned,
      [&](long i) {
        float x[8];
        load8(logits + i, x);
#pragma unroll
        for (int j = 0; j < 8; j++) sum += expf(x[j] - max);
      },
      [&](long i) { sum += expf(logits[i] - max); });
  sum = overBlock(sum, Sum{}, scratch);
  if (threadIdx.x == 0) {
    ce[row] = target < 0 ? 0 : logf(sum) + (max - logits[target]);
    hits[row] = (first == 0x7fffffff ? 0 : first) == target;
  }
  if (!dLogits) return;
  __syncthreads();
  dLogits += row * vocab;
  float weight = target < 0 ? 0 : weights[row] * gradScale;
  auto gradient = [&](float x, long i) { return weight == 0 ? 0 : weight * (expf(x - max) / sum - (i == target ? 1 : 0)); };
  overRow(
      vocab, aligned && aligned16(dLogits),
      [&](long i) {
        float x[8];
        load8(logits + i, x);
#pragma unroll
        for (int j = 0; j < 8; j++) x[j] = gradient(x[j], i + j);
        store8(dLogits + i, x);
      },
      [&](long i) { dLogits[i] = fromFloat<T>(gradient(logits[i], i)); });
}

extern "C" {
#define RMS_NORM(T, name)                                                                                                          \
  __global__ void rmsNorm_##name(const T* x, const T* weight, float eps, T* y, float* rstd, long dim) {                           \
    rmsNorm(x, weight, eps, y, rstd, dim);                                                                                         \
  }                                                                                                                                \
  __global__ void rmsNormBackward_##name(const T* dy, const T* x, const T* weight, const float* rstd, T* dx, long dim) {           \
    rmsNormBackward(dy, x, weight, rstd, dx, dim);                                                                                 \
  }                                                                                                                                \
  __global__ void weightGradient_##name(                                                                                           \
      const T* dy, const T* x, const float* rstd, float* partial, long rows, long chunk, long dim) {                               \
    weightGradient(dy, x, rstd, partial, rows, chunk, dim);                                                                        \
  }
RMS_NORM(float, f32)
RMS_NORM(bf16, bf16)

/// dWeight += the sums of all chunks.
__global__ void weightGradient_end(const float* partial, float* dWeight, long chunks, long dim) {
  long column = threadIndex();
  if (column >= dim) return;
  float sum = 0;
  for (long chunk = 0; chunk < chunks; chunk++) sum += partial[chunk * dim + column];
  dWeight[column] += sum;
}

__global__ void crossEntropy_f32(const float* logits, const int* targets, const float* weights, float gradScale, float* ce, int* hits,
    float* dLogits, long vocab, Fault* fault) {
  crossEntropy(logits, targets, weights, gradScale, ce, hits, dLogits, vocab, fault);
}
__global__ void crossEntropy_bf16(const float* logits, const int* targets, const float* weights, float gradScale, float* ce, int* hits,
    bf16* dLogits, long vocab, Fault* fault) {
  crossEntropy(logits, targets, weights, gradScale, ce, hits, dLogits, vocab, fault);
}
}
