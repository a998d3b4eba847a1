// What the two files of the cuBLASLt stand-in share.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace lt {
enum Type { F32 = 0, BF16 = 14 };   // CUDA_R_32F, CUDA_R_16BF

struct Descriptor {
    int compute, scale, pointerMode = 0, transA = 0, transB = 0, transC = 0, epilogue = 1;
};
/** Column-major: element (r, c) of matrix q of a batch is at q * stride + c * leading + r. */
struct Layout {
    int type, order;
    uint64_t rows, columns;
    int64_t leading;
    int batch;
    int64_t stride;
    size_t elementBytes() const { return type == F32 ? 4 : 2; }
    size_t bytes() const { return ((batch - 1) * stride + (columns - 1) * leading + rows) * elementBytes(); }
};
struct Job {
    Descriptor d;
    Layout a, b, c, out;
    const void *A, *B, *C;
    void* D;
    float alpha, beta;
};
void compute(std::unique_ptr<Job> job);
}  // namespace lt
