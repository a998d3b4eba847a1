// Attention without tensor cores: F32, any headDim up to 256, pages, and what goes over rows anyway. A warp has one row of one head;
// lane l has its elements l, l + 32 and so on, E of them at most. 32 of the other side are looked at together, a lane for each, and
// those that are seen are gone through one after the other, so that a sum has one order.
#include "common.cuh"

constexpr float LOG2_E = 1.44269504f;

/// A row of D elements, of which a lane has E.
template <int E> struct Row {
  float x[E];

  template <class T> __device__ __forceinline__ void load(const T* p, int d) {
#pragma unroll
    for (int e = 0; e < E; e++) x[e] = lane(e) < d ? toFloat(p[lane(e)]) : 0;
  }
  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int e = 0; e < E; e++) x[e] = 0;
  }
  __device__ __forceinline__ void scale(float by) {
#pragma unroll
    for (int e = 0; e < E; e++) x[e] *= by;
  }
  __device__ __forceinline__ void add(float by, const Row& y) {
#pragma unroll
    for (int e = 0; e < E; e++) x[e] += by * y.x[e];
  }
  __device__ __forceinline__ float dot(const Row& y) const {
    float sum = 0;
#pragma unroll
    for (int e = 0; e < E; e++) sum += x[e] * y.x[e];
    return overWarp(sum, Sum{});
  }
  __device__ __forceinline__ void store(float* p, int d) const {
#pragma unroll
    for (int e = 0; e < E; e++)
      if (lane(e) < d) p[lane(e)] = x[e];
  }
  __device__ __forceinline__ void addTo(float* p, int d) const {
#pragma unroll
    for (int e = 0; e < E; e++)
      if (lane(e) < d) p[lane(e)] += x[e];
  }
  static __device__ __forceinline__ int lane(int e) { return threadIdx.x % 32 + 32 * e; }
};

/// Softmax over keys as they come (Milakov and Gimelshein 2018): the sum of exponentials relative to the greatest score, in units of ln 2,
/// and of values weighted by them.
template <int E> struct Softmax {
  float greatest = -INFINITY, total = 0;
  Row<E> values;

  /// The lane's key has this score, -inf if it is not seen; returns its weight. Some key of the warp is seen.
  __device__ __forceinline__ float see(float score) {
    float most = fmaxf(greatest, overWarp(score, Greatest{}));
    float fade = exp2f(greatest - most), weight = exp2f(score - most);
    greatest = most;
    total = total * fade + overWarp(weight, Sum{});
    values.scale(fade);
    return weight;
  }
};

/// Goes over the set bits.
template <class Body> __device__ __forceinline__ void overBits(u32 bits, Body body) {
  for (; bits; bits &= bits - 1) body(__ffs(bits) - 1);
}
__device__ __forceinline__ float ofLane(float x, int lane) { return __shfl_sync(0xffffffffu, x, lane); }

/// Kernels.attention, a warp for each query and head.
template <int E, class T>
__device__ __forceinline__ void forward(const T* q, const int* qPositions, const int* qSegments, const T* k, const T* v,
    const int* kPositions, const int* kSegments, float scale, float* out, float* max, float* sum, long s, long t, int h, int g, int d) {
  long state = threadIndex() / 32, query = state / h;
  if (query >= s || qSegments[query] < 0) return;
  int lane = threadIdx.x % 32, kvHead = state % h / (h / g), position = qPositions[query], segment = qSegments[query];
  Row<E> own, other;
  own.load(q + state * d, d);
  Softmax<E> softmax;
  softmax.values.clear();
  for (long first = 0; first < t; first += 32) {
    long key = first + lane;
    u32 seen = __ballot_sync(0xffffffffu, key < t && kSegments[key] == segment && kPositions[key] <= position);
    if (!seen) continue;
    float score = -INFINITY;
    overBits(seen, [&](int j) {
      other.load(k + ((first + j) * g + kvHead) * d, d);
      float x = own.dot(other) * scale * LOG2_E;
      if (lane == j) score = x;
    });
    float weight = softmax.see(score);
    overBits(seen, [&](int j) {
      other.load(v + ((first + j) * g + kvHead) * d, d);
      softmax.values.add(ofLane(weight, j), other);
    });
  }
  if (softmax.total == 0) return;
  // Together with what was carried: each in units of the greater maximum.
  float most = fmaxf(max[state], softmax.greatest), carried = sum[state];
  float old = carried == 0 ? 0 : carried * exp2f(max[state] - most), by = exp2f(softmax.greatest - most), all = old + softmax.total * by;
  other.load(out + state * d, d);
  softmax.values.scale(by / all);
  softmax.values.add(old / all, other);
  softmax.values.store(out + state * d, d);
  if (lane == 0) max[state] = most, sum[state] = all;
}

/// dq += scale · ds · k, where ds = p · (dOut · v - delta); a warp for each query and head.
template <int E, class T>
__device__ __forceinline__ void gradientOfQueries(const T* q, const int* qPositions, const int* qSegments, const T* k, const T* v,
    const int* kPositions, const int* kSegments, float scale, const T* dOut, const float* max, const float* sum, const float* delta,
    float* dq, long s, long t, int h, int g, int d) {
  long state = threadIndex() / 32, query = state / h;
  if (query >= s || qSegments[query] < 0 || sum[state] == 0) return;
  int lane = threadIdx.x % 32, kvHead = state % h / (h / g), position = qPositions[query], segment = qSegments[query];
  float greatest = max[state], by = 1 / sum[state], mean = delta[state];
  Row<E> own, ofOut, key, value, gradient;
  own.load(q + state * d, d), ofOut.load(dOut + state * d, d), gradient.clear();
  for (long first = 0; first < t; first += 32) {
    long place = first + lane;
    overBits(__ballot_sync(0xffffffffu, place < t && kSegments[place] == segment && kPositions[place] <= position), [&](int j) {
      key.load(k + ((first + j) * g + kvHead) * d, d), value.load(v + ((first + j) * g + kvHead) * d, d);
      float p = exp2f(own.dot(key) * scale * LOG2_E - greatest) * by;
      gradient.add(p * (ofOut.dot(value) - mean) * scale, key);
    });
  }
  gradient.addTo(dq + state * d, d);
}

/// dv += pᵀ · dOut, dk += scale · dsᵀ · q; a warp for each key and KV head, over all heads that read it.
template <int E, class T>
__device__ __forceinline__ void gradientOfKeys(const T* q, const int* qPositions, const int* qSegments, const T* k, const T* v,
    const int* kPositions, const int* kSegments, float scale, const T* dOut, const float* max, const float* sum, const float* delta,
    float* dk, float* dv, long s, long t, int h, int g, int d) {
  long row = threadIndex() / 32, key = row / g;
  if (key >= t || kSegments[key] < 0) return;
  int lane = threadIdx.x % 32, group = h / g, position = kPositions[key], segment = kSegments[key];
  Row<E> own, value, query, ofOut, ofKey, ofValue;
  own.load(k + row * d, d), value.load(v + row * d, d), ofKey.clear(), ofValue.clear();
  for (int head = row % g * group; head < (row % g + 1) * group; head++) {
    for (long first = 0; first < s; first += 32) {
      long place = first + lane;
      overBits(__ballot_sync(0xffffffffu, place < s && qSegments[place] == segment && position <= qPositions[place]), [&](int j) {
        long state = (first + j) * h + head;
        query.load(q + state * d, d), ofOut.load(dOut + state * d, d);
        float p = exp2f(own.dot(query) * scale * LOG2_E - max[state]) / sum[state];
        ofValue.add(p, ofOut);
        ofKey.add(p * (value.dot(ofOut) - delta[state]) * scale, query);
      });
    }
  }
  ofKey.addTo(dk + row * d, d);
  ofValue.addTo(dv + row * d, d);
}

/// Elements of one of three types, told when it runs: 0 F32, 1 BF16, 2 I8.
struct Elements {
  const void* p;
  int type;

  __device__ __forceinline__ float operator[](long i) const {
    return type == 0   ? static_cast<const float*>(p)[i]
           : type == 1 ? toFloat(static_cast<const bf16*>(p)[i])
                       : float(static_cast<const signed char*>(p)[i]);
  }
};
template <int E> __device__ __forceinline__ void load(Row<E>& row, Elements from, long at, float scale, int d) {
#pragma unroll
  for (int e = 0; e < E; e++) row.x[e] = row.lane(e) < d ? from[at + row.lane(e)] * scale : 0;
}

/// Kernels.pagedAttention, a warp for each query and head, which goes over its sequence's pages.
template <int E>
__device__ __forceinline__ void paged(Elements q, const int* qPositions, Elements pool, const float* scales, Elements open, long poolPages,
    const int* kPositions, const int* queries, const int* borders, const int* pages, int sequences, float scale, float* out, float* max,
    float* sum, long s, int places, int h, int g, int d) {
  long state = threadIndex() / 32, query = state / h;
  if (query >= s || query < queries[0] || query >= queries[sequences]) return;
  int sequence = 0;
  while (query >= queries[sequence + 1]) sequence++;
  int lane = threadIdx.x % 32, kvHead = state % h / (h / g), position = qPositions[query];
  Row<E> own, other;
  load(own, q, state * d, 1, d);
  Softmax<E> softmax;
  softmax.values.clear();
  for (int i = borders[sequence]; i < borders[sequence + 1]; i++) {
    long page = pages[i], row = page < poolPages ? page : page - poolPages;
    Elements from = page < poolPages ? pool : open;
    bool scaled = page < poolPages && scales;
    float ofKeys = scaled ? scales[2 * row * g + kvHead] : 1, ofValues = scaled ? scales[(2 * row + 1) * g + kvHead] : 1;
    for (int first = 0; first < places; first += 32) {
      int place = first + lane;
      u32 seen = __ballot_sync(0xffffffffu, place < places && kPositions[page * places + place] <= position);
      if (!seen) continue;
      auto at = [&](int half, int j) { return (((2 * row + half) * places + first + j) * g + kvHead) * d; };
      float score = -INFINITY;
      overBits(seen, [&](int j) {
        load(other, from, at(0, j), ofKeys, d);
        float x = own.dot(other) * scale * LOG2_E;
        if (lane == j) score = x;
      });
      float weight = softmax.see(score);
      overBits(seen, [&](int j) {
        load(other, from, at(1, j), ofValues, d);
        softmax.values.add(ofLane(weight, j), other);
      });
    }
  }
  softmax.values.scale(softmax.total == 0 ? 0 : 1 / softmax.total);
  softmax.values.store(out + state * d, d);
  if (lane == 0) max[state] = softmax.greatest, sum[state] = softmax.total;
}

extern "C" {
/// (out, max, sum) becomes what it is after the keys of both; a warp for a row of d elements.
__global__ void merge(const float* otherOut, const float* otherMax, const float* otherSum, float* out, float* max, float* sum, long rows, int d) {
  long row = threadIndex() / 32;
  if (row >= rows || otherSum[row] == 0) return;
  float own = max[row], other = otherMax[row], most = fmaxf(own, other);
  float before = sum[row] == 0 ? 0 : sum[row] * exp2f(own - most), more = otherSum[row] * exp2f(other - most), all = before + more;
  for (int i = threadIdx.x % 32; i < d; i += 32) {
    long at = row * d + i;
    out[at] = (before == 0 ? 0 : out[at] * (before / all)) + otherOut[at] * (more / all);
  }
  __syncwarp();
  if (threadIdx.x % 32 == 0) max[row] = most, sum[row] = all;
}

#define DELTA(A, a, B, b)                                                                                         \
  __global__ void delta_##a##_##b(const A* dOut, const B* out, float* delta, long rows, int d) {                  \
    long row = threadIndex() / 32;                                                                                \
    if (row >= rows) return;                                                                                      \
    float sum = 0;                                                                                                \
    for (int i = threadIdx.x % 32; i < d; i += 32) sum += toFloat(dOut[row * d + i]) * toFloat(out[row * d + i]); \
    sum = overWarp(sum, Sum{});                                                                                   \
    if (threadIdx.x % 32 == 0) delta[row] = sum;                                                                  \
  }
DELTA(float, f32, float, f32)
DELTA(float, f32, bf16, bf16)
DELTA(bf16, bf16, float, f32)
DELTA(bf16, bf16, bf16, bf16)

#define ATTENTION(T, name, E)                                                                                                       \
  __global__ void forward_##name##_##E(const T* q, const int* qPositions, const int* qSegments, const T* k, const T* v,             \
      const int* kPositions, const int* kSegments, float scale, float* out, float* max, float* sum, long s, long t, int h, int g,   \
      int d) {                                                                                                                      \
    forward<E>(q, qPositions, qSegments, k, v, kPositions, kSegments, scale, out, max, sum, s, t, h, g, d);                         \
  }                                                                                                                                 \
  __global__ void gradientOfQueries_##name##_##E(const T* q, const int* qPositions, const int* qSegments, const T* k, const T* v,   \
      const int* kPositions, const int* kSegments, float scale, const T* dOut, const float* max, const float* sum,                  \
      const float* delta, float* dq, long s, long t, int h, int g, int d) {                                                         \
    gradientOfQueries<E>(                                                                                                           \
        q, qPositions, qSegments, k, v, kPositions, kSegments, scale, dOut, max, sum, delta, dq, s, t, h, g, d);                    \
  }                                                                                                                                 \
  __global__ void gradientOfKeys_##name##_##E(const T* q, const int* qPositions, const int* qSegments, const T* k, const T* v,      \
      const int* kPositions, const int* kSegments, float scale, const T* dOut, const float* max, const float* sum,                  \
      const float* delta, float* dk, float* dv, long s, long t, int h, int g, int d) {                                              \
    gradientOfKeys<E>(                                                                                                              \
        q, qPositions, qSegments, k, v, kPositions, kSegments, scale, dOut, max, sum, delta, dk, dv, s, t, h, g, d);                \
  }
#define WIDTH(E)                                                                                                                    \
  ATTENTION(float, f32, E)                                                                                                          \
  ATTENTION(bf16, bf16, E)                                                                                                          \
  __global__ void paged_##E(const void* q, int qType, const int* qPositions, const void* pool, int poolType, const float* scales,   \
      const void* open, int openType, long poolPages, const int* kPositions, const int* queries, const int* borders,                \
      const int* pages, int sequences, float scale, float* out, float* max, float* sum, long s, int places, int h, int g, int d) {  \
    paged<E>(Elements{q, qType}, qPositions, Elements{pool, poolType}, scales, Elements{open, openType}, poolPages, kPositions,     \
        queries, borders, pages, sequences, scale, out, max, sum, s, places, h, g, d);                                              \
  }
WIDTH(1)
WIDTH(2)
WIDTH(4)
WIDTH(8)
}
