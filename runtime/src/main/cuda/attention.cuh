// What the attention kernels on tensor cores share: tiles of BF16 rows in shared memory, products of them, and which tiles see which.
#pragma once
#include "common.cuh"

/// Tokens whose greatest and least are known together: as a tile of the side that a kernel loops over.
constexpr int TILE = 64;

/// Positions and segments of one side: query q sees key k iff segment(q) = segment(k) >= 0 and position(k) <= position(q).
struct Tokens {
  const int *positions, *segments;
  const int4* bounds;  // of each TILE tokens: least and greatest position, least and greatest segment
  long n;
};

/// Whether any query sees any key of two tiles.
__device__ __forceinline__ bool anyVisible(int4 query, int4 key) {
  int least = max(query.z, key.z), greatest = min(query.w, key.w);
  return key.x <= query.y && least <= greatest && greatest >= 0;
}
/// Whether every query sees every key: a tile that is not whole has a segment of -1.
__device__ __forceinline__ bool allVisible(int4 query, int4 key) {
  return key.y <= query.x && query.z >= 0 && query.z == query.w && key.z == query.z && key.w == query.z;
}
/// Bounds of two tiles together.
__device__ __forceinline__ int4 joined(int4 a, int4 b) { return make_int4(min(a.x, b.x), max(a.y, b.y), min(a.z, b.z), max(a.w, b.w)); }
/// Bounds of the COUNT tiles from `first` on, of which there is one at least.
template <int COUNT> __device__ __forceinline__ int4 boundsOf(Tokens side, int first) {
  int4 all = side.bounds[first];
#pragma unroll
  for (int i = 1; i < COUNT; i++) {
    if (long(first + i) * TILE < side.n) all = joined(all, side.bounds[first + i]);
  }
  return all;
}

/// The tiles that a kernel goes over, in order. All threads of a block hold the same; each warp looks at 32 tiles at once.
struct VisibleTiles {
  int base;  // of the 32 tiles that `seen` is about
  u32 seen;  // those that are still to come
  int count;

  __device__ __forceinline__ explicit VisibleTiles(long tokens) : base(-32), seen(0), count(int((tokens + TILE - 1) / TILE)) {}

  /// The next tile, -1 at the end. `visible` is asked of each lane's own.
  template <class Visible> __device__ __forceinline__ int next(Visible visible) {
    while (!seen) {
      base += 32;
      if (base >= count) return -1;
      int tile = base + threadIdx.x % 32;
      seen = __ballot_sync(0xffffffffu, tile < count && visible(tile));
    }
    int first = __ffs(seen) - 1;
    seen &= seen - 1;
    return base + first;
  }
};

__device__ __forceinline__ u32 sharedAddress(const void* p) { return u32(__cvta_generic_to_shared(p)); }
__device__ __forceinline__ void copyAsync16(u32 to, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}
__device__ __forceinline__ void copyAsync4(u32 to, const void* from) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(from) : "memory");
}
__device__ __forceinline__ void endCopies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/// Waits for this thread's copies but those of the last N groups; a barrier must follow.
template <int N> __device__ __forceinline__ void awaitCopies() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }

/// Where eight elements of a tile lie, by row and column / 8: rows of D elements, whose 16-byte parts change places so that eight
/// rows of one column lie in different banks. As it is written, the constants of unrolled loops are not kept in registers.
template <int D> __device__ __forceinline__ u32 at(u32 tile, int row, int part) { return tile + (row * (D * 2) ^ (row & 7) * 16 ^ part * 16); }

/// Begins to copy ROWS rows of one head, `stride` elements apart, from row `first` on; beyond the last of n rows it is repeated.
template <int ROWS, int D, int THREADS>
__device__ __forceinline__ void copyTile(u32 tile, const bf16* from, long stride, long first, long n) {
#pragma unroll 2  // addresses of more would take the registers of a result
  for (int i = 0; i < ROWS * D / 8 / THREADS; i++) {
    int c = i * THREADS + threadIdx.x, row = c / (D / 8), part = c % (D / 8);
    long source = first + row < n ? first + row : n - 1;
    copyAsync16(at<D>(tile, row, part), from + source * stride + part * 8);
  }
}

__device__ __forceinline__ void load4(u32 (&x)[4], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
               : "r"(address)
               : "memory");
}
__device__ __forceinline__ void load4Transposed(u32 (&x)[4], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
               : "r"(address)
               : "memory");
}
/// c[16,8] += a[16,16] · b[16,8]: lane 4g + t has of c rows g and g + 8, columns 2t and 2t + 1.
__device__ __forceinline__ void multiply(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
__device__ __forceinline__ u32 pack(float low, float high) {
  u32 x;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(x) : "f"(high), "f"(low));
  return x;
}
__device__ __forceinline__ float exp2Fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// c = a · bᵀ of a warp: rows [row, row + 16 MT) of a tile with 8 NT rows of another, all of D elements.
template <int D, int MT, int NT> __device__ __forceinline__ void productOfRows(u32 a, int row, u32 b, float (&c)[MT][NT][4]) {
  int lane = threadIdx.x % 32;
#pragma unroll
  for (int m = 0; m < MT; m++)
#pragma unroll
    for (int n = 0; n < NT; n++)
#pragma unroll
      for (int i = 0; i < 4; i++) c[m][n][i] = 0;
#pragma unroll 4
  for (int k = 0; k < D / 16; k++) {
    u32 left[MT][4];
#pragma unroll
    for (int m = 0; m < MT; m++) load4(left[m], at<D>(a + 16 * m * D * 2, row + lane % 16, lane / 16 ^ 2 * k));
#pragma unroll
    for (int n = 0; n < NT; n += 2) {
      u32 right[4];
      load4(right, at<D>(b + 8 * n * D * 2, lane % 8 + lane / 16 * 8, lane / 8 % 2 ^ 2 * k));
#pragma unroll
      for (int m = 0; m < MT; m++) {
        multiply(c[m][n], left[m], right[0], right[1]);
        multiply(c[m][n + 1], left[m], right[2], right[3]);
      }
    }
  }
}

/// c += p · b of a warp: p [16 MT, 8 NT] as a product left it, rounded to BF16, with the rows of a tile.
template <int D, int MT, int NT> __device__ __forceinline__ void addProduct(const float (&p)[MT][NT][4], u32 b, float (&c)[MT][D / 8][4]) {
  int lane = threadIdx.x % 32;
#pragma unroll
  for (int n = 0; n < NT; n += 2) {
    u32 left[MT][4];
#pragma unroll
    for (int m = 0; m < MT; m++) {
      left[m][0] = pack(p[m][n][0], p[m][n][1]), left[m][1] = pack(p[m][n][2], p[m][n][3]);
      left[m][2] = pack(p[m][n + 1][0], p[m][n + 1][1]), left[m][3] = pack(p[m][n + 1][2], p[m][n + 1][3]);
    }
#pragma unroll
    for (int j = 0; j < D / 8; j += 2) {
      u32 right[4];
      load4Transposed(right, at<D>(b + 8 * n * D * 2, lane % 16, lane / 16 ^ j));
#pragma unroll
      for (int m = 0; m < MT; m++) {
        multiply(c[m][j], left[m], right[0], right[1]);
        multiply(c[m][j + 1], left[m], right[2], right[3]);
      }
    }
  }
}

/// Over the four lanes that share a row.
template <class Op> __device__ __forceinline__ float overRowLanes(float x, Op op) {
  x = op(x, __shfl_xor_sync(0xffffffffu, x, 1));
  return op(x, __shfl_xor_sync(0xffffffffu, x, 2));
}
