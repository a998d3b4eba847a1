// Attention of BF16 on tensor cores (FlashAttention-2), for headDim 64 and 128: blocks of 128 threads, tiles copied to shared memory
// one ahead of the one that is multiplied. Statistics and results are F32. No sum's order depends on timing: the gradients of
// queries and of keys are two kernels, each with its own sums in registers.
#include "attention.cuh"

constexpr int THREADS = 128;

/// Columns of a tile that are multiplied at once: what registers hold beside results of D columns.
template <int D> constexpr int PART_OF = D > 64 ? 32 : 64;

/// Writes -inf where a query does not see a key; the rows of x are queries if QUERIES, else keys.
template <bool QUERIES, int MT, int NT>
__device__ __forceinline__ void hide(Tokens rows, long firstRow, Tokens columns, long firstColumn, float (&x)[MT][NT][4]) {
  int positions[2 * MT], segments[2 * MT];
#pragma unroll
  for (int i = 0; i < 2 * MT; i++) {
    long row = firstRow + 8 * i + threadIdx.x % 32 / 4;
    positions[i] = row < rows.n ? rows.positions[row] : 0, segments[i] = row < rows.n ? rows.segments[row] : -1;
  }
#pragma unroll
  for (int n = 0; n < NT; n++)
#pragma unroll
    for (int j = 0; j < 2; j++) {
      long column = firstColumn + 8 * n + 2 * (threadIdx.x % 4) + j;
      bool real = column < columns.n;
      int position = real ? columns.positions[column] : 0, segment = real ? columns.segments[column] : -1;
#pragma unroll
      for (int i = 0; i < 2 * MT; i++) {
        bool order = QUERIES ? position <= positions[i] : positions[i] <= position;
        if (segment < 0 || segment != segments[i] || !order) x[i / 2][n][i % 2 * 2 + j] = -INFINITY;
      }
    }
}

/// 128 queries of one head, 32 a warp, over all tiles of keys that they see. State as Kernels.attention has it; `unit` is scale · log2 e.
template <int D>
__device__ __forceinline__ void forward(const bf16* q, Tokens queries, const bf16* k, const bf16* v, Tokens keys, float unit, float* out,
    float* max, float* sum, int h, int g) {
  constexpr int M = 128, N = TILE, PART = PART_OF<D>, MT = 2, NT = PART / 8;
  extern __shared__ __align__(128) unsigned char shared[];
  u32 qTile = sharedAddress(shared), kTiles = qTile + M * D * 2, vTiles = kTiles + 2 * N * D * 2;
  long first = long(gridDim.x - 1 - blockIdx.x) * M;  // the last first: of a causal row they have the most to do
  int head = blockIdx.y, kvHead = head / (h / g), lane = threadIdx.x % 32, row = threadIdx.x / 32 * 32;
  int4 own = boundsOf<M / TILE>(queries, int(first / TILE));
  auto visible = [&](int tile) { return anyVisible(own, keys.bounds[tile]); };
  VisibleTiles tiles(keys.n);
  int tile = tiles.next(visible);
  if (tile < 0) return;
  auto copy = [&](int tile, int stage) {
    copyTile<N, D, THREADS>(kTiles + stage * N * D * 2, k + kvHead * D, long(g) * D, long(tile) * N, keys.n);
    copyTile<N, D, THREADS>(vTiles + stage * N * D * 2, v + kvHead * D, long(g) * D, long(tile) * N, keys.n);
  };
  copyTile<M, D, THREADS>(qTile, q + head * D, long(h) * D, first, queries.n);
  copy(tile, 0);
  endCopies();

  bool works = first + row < queries.n;  // a warp without queries waits at the barriers only
  float result[MT][D / 8][4] = {}, greatest[MT][2], total[MT][2] = {};  // of total a part: four lanes share a row
#pragma unroll
  for (int i = 0; i < 2 * MT; i++) greatest[i / 2][i % 2] = -INFINITY;

  for (int stage = 0; tile >= 0; stage ^= 1) {
    int next = tiles.next(visible);
    if (next >= 0) copy(next, stage ^ 1);
    endCopies();
    awaitCopies<1>();
    __syncthreads();
    bool hidden = !allVisible(own, keys.bounds[tile]);
#pragma unroll 1
    for (int part = 0; part < N && works; part += PART) {
      float score[MT][NT][4];
      productOfRows<D, MT, NT>(qTile, row, kTiles + (stage * N + part) * D * 2, score);
      if (hidden) hide<true>(queries, first + row, keys, long(tile) * N + part, score);
#pragma unroll
      for (int m = 0; m < MT; m++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
          float most = -INFINITY;
#pragma unroll
          for (int n = 0; n < NT; n++) most = fmaxf(most, fmaxf(score[m][n][2 * half], score[m][n][2 * half + 1]));
          most = fmaxf(greatest[m][half], overRowLanes(most, Greatest{}) * unit);
          float base = most == -INFINITY ? 0 : most, fade = exp2Fast(greatest[m][half] - base), own = 0;
          greatest[m][half] = most;
#pragma unroll
          for (int n = 0; n < NT; n++)
#pragma unroll
            for (int j = 2 * half; j < 2 * half + 2; j++) own += score[m][n][j] = exp2Fast(score[m][n][j] * unit - base);
          total[m][half] = total[m][half] * fade + own;
          if (__any_sync(0xffffffffu, fade != 1)) {  // seldom after the first tiles
#pragma unroll
            for (int j = 0; j < D / 8; j++) result[m][j][2 * half] *= fade, result[m][j][2 * half + 1] *= fade;
          }
        }
      addProduct<D, MT, NT>(score, vTiles + (stage * N + part) * D * 2, result);
    }
    __syncthreads();
    tile = next;
  }

#pragma unroll
  for (int m = 0; m < MT; m++)
#pragma unroll
    for (int half = 0; half < 2; half++) {
      long query = first + row + 16 * m + 8 * half + lane / 4, state = query * h + head;
      float own = overRowLanes(total[m][half], Sum{}), carried = 0, was = -INFINITY;
      if (query < queries.n) carried = sum[state], was = max[state];
      __syncwarp();  // four lanes read what one of them writes
      if (query < queries.n && own != 0) {
        // Together with what was carried: each in units of the greater maximum.
        float most = fmaxf(was, greatest[m][half]);
        float old = carried == 0 ? 0 : carried * exp2f(was - most), by = exp2f(greatest[m][half] - most), all = old + own * by;
#pragma unroll
        for (int j = 0; j < D / 8; j++) {
          float2* p = reinterpret_cast<float2*>(out + state * D + 8 * j + 2 * (lane % 4));
          float2 mean = *p;
          *p = make_float2((mean.x * old + result[m][j][2 * half] * by) / all, (mean.y * old + result[m][j][2 * half + 1] * by) / all);
        }
        if (lane % 4 == 0) max[state] = most, sum[state] = all;
      }
    }
}

/// Adds 16 rows of a warp to rows of F32, `stride` elements apart, of which there are n.
template <int D> __device__ __forceinline__ void addRows(const float (&x)[1][D / 8][4], float by, float* to, long stride, long first, long n) {
  int lane = threadIdx.x % 32;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    long row = first + 8 * half + lane / 4;
    if (row >= n) continue;
#pragma unroll
    for (int j = 0; j < D / 8; j++) {
      float2* p = reinterpret_cast<float2*>(to + row * stride + 8 * j + 2 * (lane % 4));
      float2 sum = *p;
      *p = make_float2(sum.x + x[0][j][2 * half] * by, sum.y + x[0][j][2 * half + 1] * by);
    }
  }
}

/// dq of 64 queries of one head, 16 a warp: dq += scale · ds · k, where ds = p · (dOut · v - delta).
template <int D>
__device__ __forceinline__ void gradientOfQueries(const bf16* q, Tokens queries, const bf16* k, const bf16* v, Tokens keys, float scale,
    const bf16* dOut, const float* max, const float* sum, const float* delta, float* dq, int h, int g) {
  constexpr int M = 64, N = TILE, PART = PART_OF<D>, NT = PART / 8;
  extern __shared__ __align__(128) unsigned char shared[];
  u32 qTile = sharedAddress(shared), dTile = qTile + M * D * 2, kTiles = dTile + M * D * 2, vTiles = kTiles + 2 * N * D * 2;
  long first = long(gridDim.x - 1 - blockIdx.x) * M;
  int head = blockIdx.y, kvHead = head / (h / g), lane = threadIdx.x % 32, row = threadIdx.x / 32 * 16;
  int4 own = boundsOf<M / TILE>(queries, int(first / TILE));
  auto visible = [&](int tile) { return anyVisible(own, keys.bounds[tile]); };
  VisibleTiles tiles(keys.n);
  int tile = tiles.next(visible);
  if (tile < 0) return;
  auto copy = [&](int tile, int stage) {
    copyTile<N, D, THREADS>(kTiles + stage * N * D * 2, k + kvHead * D, long(g) * D, long(tile) * N, keys.n);
    copyTile<N, D, THREADS>(vTiles + stage * N * D * 2, v + kvHead * D, long(g) * D, long(tile) * N, keys.n);
  };
  copyTile<M, D, THREADS>(qTile, q + head * D, long(h) * D, first, queries.n);
  copyTile<M, D, THREADS>(dTile, dOut + head * D, long(h) * D, first, queries.n);
  copy(tile, 0);
  endCopies();

  bool works = first + row < queries.n;
  float result[1][D / 8][4] = {}, greatest[2], by[2], mean[2], unit = scale * 1.44269504f;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    long query = first + row + 8 * half + lane / 4, state = query * h + head;
    bool saw = query < queries.n && sum[state] != 0;
    greatest[half] = saw ? max[state] : 0, by[half] = saw ? 1 / sum[state] : 0, mean[half] = saw ? delta[state] : 0;
  }
  for (int stage = 0; tile >= 0; stage ^= 1) {
    int next = tiles.next(visible);
    if (next >= 0) copy(next, stage ^ 1);
    endCopies();
    awaitCopies<1>();
    __syncthreads();
    bool hidden = !allVisible(own, keys.bounds[tile]);
#pragma unroll 1
    for (int part = 0; part < N && works; part += PART) {
      u32 kPart = kTiles + (stage * N + part) * D * 2, vPart = vTiles + (stage * N + part) * D * 2;
      float p[1][NT][4], ds[1][NT][4];
      productOfRows<D, 1, NT>(qTile, row, kPart, p);
      if (hidden) hide<true>(queries, first + row, keys, long(tile) * N + part, p);
      productOfRows<D, 1, NT>(dTile, row, vPart, ds);
#pragma unroll
      for (int n = 0; n < NT; n++)
#pragma unroll
        for (int i = 0; i < 4; i++) ds[0][n][i] = exp2Fast(p[0][n][i] * unit - greatest[i / 2]) * by[i / 2] * (ds[0][n][i] - mean[i / 2]);
      addProduct<D, 1, NT>(ds, kPart, result);
    }
    __syncthreads();
    tile = next;
  }
  addRows<D>(result, scale, dq + head * D, long(h) * D, first + row, queries.n);
}

/// dk and dv of 64 keys of one KV head, 16 a warp, over the queries of all heads that read it: dv += pᵀ · dOut, dk += scale · dsᵀ · q.
/// Products are formed transposed, with keys as rows.
template <int D>
__device__ __forceinline__ void gradientOfKeys(const bf16* q, Tokens queries, const bf16* k, const bf16* v, Tokens keys, float scale,
    const bf16* dOut, const float* max, const float* sum, const float* delta, float* dk, float* dv, int h, int g) {
  constexpr int M = 64, N = TILE, PART = PART_OF<D> / 2, NT = PART / 8;
  extern __shared__ __align__(128) unsigned char shared[];
  u32 kTile = sharedAddress(shared), vTile = kTile + M * D * 2, qTiles = vTile + M * D * 2, dTiles = qTiles + 2 * N * D * 2;
  u32 statistics = dTiles + 2 * N * D * 2;  // [stage][max, sum, delta][N]
  long first = long(blockIdx.x) * M;
  int kvHead = blockIdx.y, group = h / g, lane = threadIdx.x % 32, row = threadIdx.x / 32 * 16;
  int4 own = boundsOf<M / TILE>(keys, int(first / TILE));
  auto visible = [&](int tile) { return anyVisible(queries.bounds[tile], own); };
  VisibleTiles tiles(queries.n);
  int tile = tiles.next(visible);
  if (tile < 0) return;
  auto copy = [&](int tile, int head, int stage) {
    copyTile<N, D, THREADS>(qTiles + stage * N * D * 2, q + head * D, long(h) * D, long(tile) * N, queries.n);
    copyTile<N, D, THREADS>(dTiles + stage * N * D * 2, dOut + head * D, long(h) * D, long(tile) * N, queries.n);
    for (int i = threadIdx.x; i < 3 * N; i += THREADS) {
      const float* from = i < N ? max : i < 2 * N ? sum : delta;
      long query = long(tile) * N + i % N;
      copyAsync4(statistics + (stage * 3 * N + i) * 4, from + (query < queries.n ? query : queries.n - 1) * h + head);
    }
  };
  copyTile<M, D, THREADS>(kTile, k + kvHead * D, long(g) * D, first, keys.n);
  copyTile<M, D, THREADS>(vTile, v + kvHead * D, long(g) * D, first, keys.n);
  int head = kvHead * group;
  copy(tile, head, 0);
  endCopies();

  bool works = first + row < keys.n;
  float ofKeys[1][D / 8][4] = {}, ofValues[1][D / 8][4] = {}, unit = scale * 1.44269504f;
  for (int stage = 0; tile >= 0; stage ^= 1) {
    int nextHead = head + 1 < (kvHead + 1) * group ? head + 1 : kvHead * group;
    int next = nextHead > head ? tile : tiles.next(visible);
    if (next >= 0) copy(next, nextHead, stage ^ 1);
    endCopies();
    awaitCopies<1>();
    __syncthreads();
    const float* of = reinterpret_cast<const float*>(shared + (statistics - kTile)) + stage * 3 * N + 2 * (lane % 4);
    bool hidden = !allVisible(queries.bounds[tile], own);
#pragma unroll 1
    for (int part = 0; part < N && works; part += PART) {
      u32 qPart = qTiles + (stage * N + part) * D * 2, dPart = dTiles + (stage * N + part) * D * 2;
      float p[1][NT][4], ds[1][NT][4];
      productOfRows<D, 1, NT>(kTile, row, qPart, p);
      if (hidden) hide<false>(keys, first + row, queries, long(tile) * N + part, p);
#pragma unroll
      for (int n = 0; n < NT; n++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
          int query = part + 8 * n + i % 2;
          float probability = exp2Fast(p[0][n][i] * unit - of[query]) / of[N + query];
          p[0][n][i] = p[0][n][i] == -INFINITY ? 0 : probability;  // of a query that saw nothing the sum is 0
        }
      addProduct<D, 1, NT>(p, dPart, ofValues);
      productOfRows<D, 1, NT>(vTile, row, dPart, ds);
#pragma unroll
      for (int n = 0; n < NT; n++)
#pragma unroll
        for (int i = 0; i < 4; i++) ds[0][n][i] = p[0][n][i] * (ds[0][n][i] - of[2 * N + part + 8 * n + i % 2]);
      addProduct<D, 1, NT>(ds, qPart, ofKeys);
    }
    __syncthreads();
    tile = next, head = nextHead;
  }
  addRows<D>(ofKeys, scale, dk + kvHead * D, long(g) * D, first + row, keys.n);
  addRows<D>(ofValues, 1, dv + kvHead * D, long(g) * D, first + row, keys.n);
}

extern "C" {
/// Bounds of each TILE tokens, a warp for a tile.
__global__ void bounds(const int* positions, const int* segments, int4* bounds, long n) {
  long tile = threadIndex() / 32;
  if (tile * TILE >= n) return;
  int4 own = make_int4(0x7fffffff, -0x80000000, 0x7fffffff, -0x80000000);
#pragma unroll
  for (int i = 0; i < TILE; i += 32) {
    long token = tile * TILE + i + threadIdx.x % 32;
    bool real = token < n;
    int position = positions[real ? token : n - 1], segment = real ? segments[token] : -1;
    own = joined(own, make_int4(position, position, segment < 0 ? -1 : segment, segment));
  }
#pragma unroll
  for (int lane = 16; lane > 0; lane /= 2) {
    own = joined(own, make_int4(__shfl_xor_sync(0xffffffffu, own.x, lane), __shfl_xor_sync(0xffffffffu, own.y, lane),
                          __shfl_xor_sync(0xffffffffu, own.z, lane), __shfl_xor_sync(0xffffffffu, own.w, lane)));
  }
  if (threadIdx.x % 32 == 0) bounds[tile] = own;
}

#define HEAD_DIM(D)                                                                                                               \
  __global__ void __launch_bounds__(THREADS, 2) forward_##D(const bf16* q, const int* qPositions, const int* qSegments,   \
      const int4* qBounds, long s, const bf16* k, const bf16* v, const int* kPositions, const int* kSegments, const int4* kBounds, \
      long t, float scale, int h, int g, float* out, float* max, float* sum) {                                                    \
    forward<D>(q, Tokens{qPositions, qSegments, qBounds, s}, k, v, Tokens{kPositions, kSegments, kBounds, t}, scale * 1.44269504f, \
        out, max, sum, h, g);                                                                                                     \
  }                                                                                                                               \
  __global__ void __launch_bounds__(THREADS, 2) gradientOfQueries_##D(const bf16* q, const int* qPositions,               \
      const int* qSegments, const int4* qBounds, long s, const bf16* k, const bf16* v, const int* kPositions,                     \
      const int* kSegments, const int4* kBounds, long t, float scale, int h, int g, const bf16* dOut, const float* max,           \
      const float* sum, const float* delta, float* dq) {                                                                          \
    gradientOfQueries<D>(q, Tokens{qPositions, qSegments, qBounds, s}, k, v, Tokens{kPositions, kSegments, kBounds, t}, scale,    \
        dOut, max, sum, delta, dq, h, g);                                                                                         \
  }                                                                                                                               \
  __global__ void __launch_bounds__(THREADS, 2) gradientOfKeys_##D(const bf16* q, const int* qPositions,                  \
      const int* qSegments, const int4* qBounds, long s, const bf16* k, const bf16* v, const int* kPositions,                     \
      const int* kSegments, const int4* kBounds, long t, float scale, int h, int g, const bf16* dOut, const float* max,           \
      const float* sum, const float* delta, float* dk, float* dv) {                                                               \
    gradientOfKeys<D>(q, Tokens{qPositions, qSegments, qBounds, s}, k, v, Tokens{kPositions, kSegments, kBounds, t}, scale, dOut, \
        max, sum, delta, dk, dv, h, g);                                                                                           \
  }
HEAD_DIM(64)
HEAD_DIM(128)
}
