// Rows of a table by their ids, and the sums of gradients back into them. A row is copied in units of 2, 4 or 16 bytes.
#include "common.cuh"

template <class T> __device__ __forceinline__ void embedding(const int* ids, const T* table, T* y, int rows, long dim, Fault* fault) {
  long s = blockIdx.x;
  int id = ids[s];
  if (id < 0 || id >= rows) {
    if (threadIdx.x == 0) raise(fault, 1, id, rows);
    return;
  }
  for (long i = threadIdx.x; i < dim; i += blockDim.x) y[s * dim + i] = table[id * dim + i];
}

constexpr int SCANNED = 256;

/// dTable[ids[s]] += dy[s] for all s of one id, in their order, by the blocks of the first of them: no sum depends on timing. A block
/// has SCANNED threads, each with up to EACH columns from blockIdx.y · SCANNED · EACH on. first[id]: the least s of each id.
template <class T>
__device__ __forceinline__ void embeddingBackward(const int* ids, const T* dy, float* dTable, const int* first, int n, int rows, long dim) {
  constexpr int EACH = 4;
  __shared__ int found[SCANNED];
  __shared__ int counts[SCANNED / 32];
  int own = blockIdx.x, id = ids[own];
  if (id < 0 || id >= rows || first[id] != own) return;
  long base = long(blockIdx.y) * SCANNED * EACH + threadIdx.x;
  float sum[EACH];
#pragma unroll
  for (int j = 0; j < EACH; j++) sum[j] = base + j * SCANNED < dim ? dTable[id * dim + base + j * SCANNED] : 0;
  for (int from = own; from < n; from += SCANNED) {
    int s = from + threadIdx.x, warp = threadIdx.x / 32;
    bool mine = s < n && ids[s] == id;
    u32 votes = __ballot_sync(0xffffffffu, mine);
    if (threadIdx.x % 32 == 0) counts[warp] = __popc(votes);
    __syncthreads();
    int before = 0, all = 0;
    for (int w = 0; w < SCANNED / 32; w++) {
      if (w < warp) before += counts[w];
      all += counts[w];
    }
    if (mine) found[before + __popc(votes & ((1u << threadIdx.x % 32) - 1))] = s;
    __syncthreads();
    for (int k = 0; k < all; k++) {
      const T* row = dy + found[k] * dim;
#pragma unroll
      for (int j = 0; j < EACH; j++)
        if (base + j * SCANNED < dim) sum[j] += toFloat(row[base + j * SCANNED]);
    }
    __syncthreads();
  }
#pragma unroll
  for (int j = 0; j < EACH; j++)
    if (base + j * SCANNED < dim) dTable[id * dim + base + j * SCANNED] = sum[j];
}

extern "C" {
__global__ void embedding_2(const int* ids, const u16* table, u16* y, int rows, long dim, Fault* fault) { embedding(ids, table, y, rows, dim, fault); }
__global__ void embedding_4(const int* ids, const u32* table, u32* y, int rows, long dim, Fault* fault) { embedding(ids, table, y, rows, dim, fault); }
__global__ void embedding_16(const int* ids, const uint4* table, uint4* y, int rows, long dim, Fault* fault) { embedding(ids, table, y, rows, dim, fault); }

/// first[id] = the least s with ids[s] = id; it holds greater numbers before.
__global__ void firstOfId(const int* ids, int* first, int n, int rows, Fault* fault) {
  int s = int(threadIndex());
  if (s >= n) return;
  int id = ids[s];
  if (id < 0 || id >= rows)
    raise(fault, 2, id, rows);
  else
    atomicMin(first + id, s);
}
__global__ void embeddingBackward_f32(const int* ids, const float* dy, float* dTable, const int* first, int n, int rows, long dim) {
  embeddingBackward(ids, dy, dTable, first, n, rows, dim);
}
__global__ void embeddingBackward_bf16(const int* ids, const bf16* dy, float* dTable, const int* first, int n, int rows, long dim) {
  embeddingBackward(ids, dy, dTable, first, n, rows, dim);
}
}
