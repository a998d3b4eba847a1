// What all kernels share: element types, 128-bit loads and sums of a block. No header of the toolkit is included, so that NVRTC
// compiles these sources as nvcc does.
#pragma once

typedef unsigned long long u64;
typedef unsigned int u32;
typedef unsigned short u16;

// Of the toolkit's headers, so not NVRTC's.
#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#endif

/// A BF16: the upper half of an F32.
struct bf16 {
  u16 bits;
};

__device__ __forceinline__ float toFloat(float x) { return x; }
__device__ __forceinline__ float toFloat(bf16 x) { return __uint_as_float(u32(x.bits) << 16); }

template <class T> __device__ __forceinline__ T fromFloat(float x);
template <> __device__ __forceinline__ float fromFloat<float>(float x) { return x; }
/// To the nearest, ties to even; a NaN keeps its upper bits, as on the CPU.
template <> __device__ __forceinline__ bf16 fromFloat<bf16>(float x) {
  u32 u = __float_as_uint(x);
  bool nan = (u & 0x7fffffffu) > 0x7f800000u;
  return bf16{u16(nan ? (u >> 16 | 0x40) : (u + 0x7fff + (u >> 16 & 1)) >> 16)};
}

/// Eight elements, as F32: two 128-bit loads of F32, one of BF16. The address is a multiple of 16.
__device__ __forceinline__ void load8(const float* p, float (&x)[8]) {
  float4 a = reinterpret_cast<const float4*>(p)[0], b = reinterpret_cast<const float4*>(p)[1];
  x[0] = a.x, x[1] = a.y, x[2] = a.z, x[3] = a.w, x[4] = b.x, x[5] = b.y, x[6] = b.z, x[7] = b.w;
}
__device__ __forceinline__ void load8(const bf16* p, float (&x)[8]) {
  uint4 a = *reinterpret_cast<const uint4*>(p);
  u32 w[4] = {a.x, a.y, a.z, a.w};
#pragma unroll
  for (int i = 0; i < 4; i++) {
    x[2 * i] = __uint_as_float(w[i] << 16);
    x[2 * i + 1] = __uint_as_float(w[i] & 0xffff0000u);
  }
}
__device__ __forceinline__ void store8(float* p, const float (&x)[8]) {
  reinterpret_cast<float4*>(p)[0] = make_float4(x[0], x[1], x[2], x[3]);
  reinterpret_cast<float4*>(p)[1] = make_float4(x[4], x[5], x[6], x[7]);
}
__device__ __forceinline__ void store8(bf16* p, const float (&x)[8]) {
  u32 w[4];
#pragma unroll
  for (int i = 0; i < 4; i++) w[i] = u32(fromFloat<bf16>(x[2 * i]).bits) | u32(fromFloat<bf16>(x[2 * i + 1]).bits) << 16;
  *reinterpret_cast<uint4*>(p) = make_uint4(w[0], w[1], w[2], w[3]);
}

/// Whether 128-bit loads may begin at all of these addresses.
template <class... P> __device__ __forceinline__ bool aligned16(P... pointers) {
  u64 all = 0;
  ((all |= reinterpret_cast<u64>(pointers)), ...);
  return (all & 15) == 0;
}

/// This thread's number in a grid of one axis, and how many there are.
__device__ __forceinline__ long threadIndex() { return long(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ __forceinline__ long threadCount() { return long(gridDim.x) * blockDim.x; }

/// Goes over n elements, eight at a time where `aligned` says that 128-bit loads may begin at their addresses: eight(i) does i to
/// i + 7, one(i) a single one.
template <class Eight, class One> __device__ __forceinline__ void overElements(long n, bool aligned, Eight eight, One one) {
  long done = aligned ? n & ~7L : 0;
  for (long i = threadIndex() * 8; i < done; i += threadCount() * 8) eight(i);
  for (long i = done + threadIndex(); i < n; i += threadCount()) one(i);
}

/// The same of a row, by the threads of a block.
template <class Eight, class One> __device__ __forceinline__ void overRow(long n, bool aligned, Eight eight, One one) {
  long done = aligned ? n & ~7L : 0;
  for (long i = threadIdx.x * 8L; i < done; i += blockDim.x * 8L) eight(i);
  for (long i = done + threadIdx.x; i < n; i += blockDim.x) one(i);
}

struct Sum {
  template <class T> __device__ __forceinline__ T operator()(T a, T b) const { return a + b; }
};
struct Least {
  __device__ __forceinline__ int operator()(int a, int b) const { return a < b ? a : b; }
};
struct Greatest {
  __device__ __forceinline__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

/// All lanes get the result over a warp, always added in the same order.
template <class Op, class T> __device__ __forceinline__ T overWarp(T x, Op op) {
#pragma unroll
  for (int lane = 16; lane > 0; lane /= 2) x = op(x, __shfl_xor_sync(0xffffffffu, x, lane));
  return x;
}

/// All threads get the result over a block of whole warps, 1024 threads at most; `scratch` is 32 elements of shared memory, which
/// may be used again at once.
template <class Op, class T> __device__ __forceinline__ T overBlock(T x, Op op, T* scratch) {
  x = overWarp(x, op);
  int warps = blockDim.x / 32;
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
  __syncthreads();
  x = scratch[0];
  for (int w = 1; w < warps; w++) x = op(x, scratch[w]);
  __syncthreads();
  return x;
}

/// What a kernel says of an id that does not fit: which kernel (0: none), the id, and the rows there are. The host asks for it
/// wherever it waits.
struct Fault {
  int kernel, id, rows;
};
__device__ __forceinline__ void raise(Fault* fault, int kernel, int id, int rows) {
  if (atomicCAS(&fault->kernel, 0, kernel) == 0) fault->id = id, fault->rows = rows;
}
