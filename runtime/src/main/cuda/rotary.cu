// Rotary embedding: its angles, and the rotation there and back.
#include "common.cuh"

/// cos and sin of position · frequency, in F64: at a million positions an F32 angle is off by hundredths. sincospi takes half turns
/// and, unlike sincos, neither a table nor a call; the half turns are found with a product of twice F64's length, so that whole
/// turns may be dropped exactly.
__device__ __forceinline__ void angle(int position, double frequency, double scale, float* cosine, float* sine) {
  constexpr double INVERSE_PI = 0.31830988618379067, REST = -1.9678676675182486e-17;
  double radians = position * frequency;
  double turns = radians * INVERSE_PI;
  double rest = fma(radians, INVERSE_PI, -turns) + radians * REST;
  double s, c;
  sincospi(turns - 2 * rint(turns / 2) + rest, &s, &c);
  *cosine = float(scale * c), *sine = float(scale * s);
}

/// A row [heads,D] is a position's; `sign` is -1 for the way back. Element i of a head is turned with i + D/2. y may be x.
template <class X, class Y>
__device__ __forceinline__ void rotate(const X* x, const float* cosines, const float* sines, Y* y, float sign, long rows, int heads, int half) {
  bool aligned = half % 8 == 0 && aligned16(x, cosines, sines, y);
  int each = aligned ? 8 : 1, parts = half / each;
  long all = rows * heads * parts;
  for (long at = threadIndex(); at < all; at += threadCount()) {
    long head = at / parts, row = head / heads;
    int i = int(at - head * parts) * each;
    const X* a = x + head * 2 * half + i;
    Y* b = y + head * 2 * half + i;
    const float *c = cosines + row * half + i, *s = sines + row * half + i;
    if (aligned) {
      float u[8], v[8], cs[8], sn[8];
      load8(a, u), load8(a + half, v), load8(c, cs), load8(s, sn);
#pragma unroll
      for (int j = 0; j < 8; j++) {
        float first = u[j] * cs[j] - v[j] * (sign * sn[j]);
        v[j] = v[j] * cs[j] + u[j] * (sign * sn[j]);
        u[j] = first;
      }
      store8(b, u), store8(b + half, v);
    } else {
      float u = toFloat(a[0]), v = toFloat(a[half]);
      b[0] = fromFloat<Y>(u * *c - v * (sign * *s));
      b[half] = fromFloat<Y>(v * *c + u * (sign * *s));
    }
  }
}

extern "C" {
__global__ void rotaryAngles(const int* positions, const double* frequencies, double scale, float* cosines, float* sines, long n, int half) {
  for (long i = threadIndex(); i < n; i += threadCount()) {
    long row = i / half;
    angle(positions[row], frequencies[i - row * half], scale, cosines + i, sines + i);
  }
}

#define ROTATE(X, xName, Y, yName)                                                                                              \
  __global__ void rotate_##xName##_##yName(                                                                                     \
      const X* x, const float* cosines, const float* sines, Y* y, float sign, long rows, int heads, int half) {                 \
    rotate(x, cosines, sines, y, sign, rows, heads, half);                                                                      \
  }
ROTATE(float, f32, float, f32)
ROTATE(float, f32, bf16, bf16)
ROTATE(bf16, bf16, float, f32)
ROTATE(bf16, bf16, bf16, bf16)
}
