// Kernels of image models; images lie as [batch, height, width, channels]. What is only copied goes in units of 2, 4 or 16 bytes, of
// which there are so many channels.
#include "common.cuh"

/// y[pixel, a, b, channel] = x[image, row, column, channel] where the pixel of the result, counted from `first` on, sees it: a and b
/// are its place in the kernel [u, v]. Around the image there are zeros.
template <class T>
__device__ __forceinline__ void patches(
    const T* x, T* y, long first, long pixels, int h, int w, int channels, int u, int v, int rows, int columns, int stride, int before) {
  long each = long(u) * v * channels;
  for (long at = threadIndex(); at < pixels * each; at += threadCount()) {
    long pixel = first + at / each;
    int place = int(at % each), channel = place % channels, b = place / channels % v, a = place / channels / v;
    int column = int(pixel % columns) * stride + b - before, row = int(pixel / columns % rows) * stride + a - before;
    long image = pixel / columns / rows;
    bool inside = row >= 0 && row < h && column >= 0 && column < w;
    y[at] = inside ? x[((image * h + row) * w + column) * channels + channel] : T{};
  }
}

/// y[row] = x for all rows.
template <class T> __device__ __forceinline__ void repeat(const T* x, T* y, long rows, int n) {
  for (long at = threadIndex(); at < rows * n; at += threadCount()) y[at] = x[at % n];
}

/// y[image, i, j] = x[image, i / 2, j / 2]; lines: rows of pixels of y, of all images.
template <class T> __device__ __forceinline__ void upsample(const T* x, T* y, long lines, int columns, int channels) {
  for (long at = threadIndex(); at < lines * columns * channels; at += threadCount()) {
    int channel = int(at % channels);
    long pixel = at / channels, line = pixel / columns, column = pixel % columns;
    y[at] = x[(line / 2 * (columns / 2) + column / 2) * channels + channel];
  }
}

/// A block for each group of an image: `width` channels of all its pixels. y may be x: what a thread writes it alone has read last.
template <class T>
__device__ __forceinline__ void groupNorm(
    const T* x, const T* scale, const T* bias, float eps, int swish, T* y, long pixels, int channels, int width) {
  __shared__ double scratch[32];
  int groups = channels / width, from = blockIdx.x % groups * width;
  x += blockIdx.x / groups * pixels * channels + from, y += blockIdx.x / groups * pixels * channels + from;
  long n = pixels * width;
  auto place = [=](long i) { return i / width * channels + i % width; };
  float sum = 0, squares = 0;
  for (long i = threadIdx.x; i < n; i += blockDim.x) sum += toFloat(x[place(i)]);
  float mean = float(overBlock(double(sum), Sum{}, scratch) / n);
  for (long i = threadIdx.x; i < n; i += blockDim.x) {
    float off = toFloat(x[place(i)]) - mean;
    squares += off * off;
  }
  float rstd = float(rsqrt(overBlock(double(squares), Sum{}, scratch) / n + eps));
  for (long i = threadIdx.x; i < n; i += blockDim.x) {
    int c = from + int(i % width);
    float normed = (toFloat(x[place(i)]) - mean) * rstd * toFloat(scale[c]) + toFloat(bias[c]);
    y[place(i)] = fromFloat<T>(swish ? normed / (1 + expf(-normed)) : normed);
  }
}

extern "C" {
#define COPIES(T, bytes)                                                                                                            \
  __global__ void patches_##bytes(const T* x, T* y, long first, long pixels, int h, int w, int channels, int u, int v, int rows,   \
      int columns, int stride, int before) {                                                                                       \
    patches(x, y, first, pixels, h, w, channels, u, v, rows, columns, stride, before);                                              \
  }                                                                                                                                \
  __global__ void repeat_##bytes(const T* x, T* y, long rows, int n) { repeat(x, y, rows, n); }                                     \
  __global__ void upsample_##bytes(const T* x, T* y, long lines, int columns, int channels) { upsample(x, y, lines, columns, channels); }
COPIES(u16, 2)
COPIES(u32, 4)
COPIES(uint4, 16)

__global__ void groupNorm_f32(
    const float* x, const float* scale, const float* bias, float eps, int swish, float* y, long pixels, int channels, int width) {
  groupNorm(x, scale, bias, eps, swish, y, pixels, channels, width);
}
__global__ void groupNorm_bf16(
    const bf16* x, const bf16* scale, const bf16* bias, float eps, int swish, bf16* y, long pixels, int channels, int width) {
  groupNorm(x, scale, bias, eps, swish, y, pixels, channels, width);
}

/// half[row] = |codebook[row]|² / 2; a warp for each row.
__global__ void halfNorms(const float* codebook, float* half, long rows, int d) {
  for (long row = threadIndex() / 32; row < rows; row += threadCount() / 32) {
    float sum = 0;
    for (int i = threadIdx.x % 32; i < d; i += 32) sum += codebook[row * d + i] * codebook[row * d + i];
    sum = overWarp(sum, Sum{});
    if (threadIdx.x % 32 == 0) half[row] = sum / 2;
  }
}

/// codes[row] = where products[row] − half is greatest, the first of equals; a block for each row.
__global__ void nearest(const float* products, const float* half, int* codes, int n) {
  __shared__ float scratch[32];
  __shared__ int places[32];
  constexpr int NOWHERE = 0x7fffffff;
  products += long(blockIdx.x) * n;
  float greatest = -INFINITY;
  int place = NOWHERE;
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    float x = products[i] - half[i];
    if (x > greatest) greatest = x, place = i;
  }
  float max = overBlock(greatest, Greatest{}, scratch);
  int first = overBlock(greatest == max ? place : NOWHERE, Least{}, places);
  if (threadIdx.x == 0) codes[blockIdx.x] = first == NOWHERE ? 0 : first;
}
}
