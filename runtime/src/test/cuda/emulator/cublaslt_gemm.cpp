// D = alpha op(A) op(B) + beta C, sums in F32 in the order of k.
#include "cublaslt.h"
#include "numeric.h"
#include <algorithm>

namespace lt {
namespace {
constexpr uint64_t ROWS = 64, COLUMNS = 4;   // of a tile of D that is kept in registers

float load(const void* p, int type, size_t i) {
    return type == F32 ? static_cast<const float*>(p)[i]
            : numeric::fromBf16(static_cast<const uint16_t*>(p)[i]);
}
void store(void* p, int type, size_t i, float v) {
    if (type == F32) static_cast<float*>(p)[i] = v;
    else static_cast<uint16_t*>(p)[i] = numeric::toBf16(v);
}
/** As [k][rows, padded] floats, rows being those of A or the columns of B. */
std::vector<float> packed(const void* p, const Layout& l, int q, bool turned, uint64_t rows, uint64_t depth, uint64_t padded) {
    std::vector<float> out(depth * padded);
    for (uint64_t k = 0; k < depth; k++)
        for (uint64_t r = 0; r < rows; r++) out[k * padded + r] = load(p, l.type, q * l.stride + (turned ? r * l.leading + k : k * l.leading + r));
    return out;
}
}  // namespace

void compute(std::unique_ptr<Job> job) {
    const Job& j = *job;
    const uint64_t m = j.out.rows, n = j.out.columns, depth = j.d.transA ? j.a.rows : j.a.columns;
    const uint64_t paddedM = (m + ROWS - 1) / ROWS * ROWS, paddedN = (n + COLUMNS - 1) / COLUMNS * COLUMNS;
    for (int q = 0; q < j.out.batch; q++) {
        const std::vector<float> a = packed(j.A, j.a, q, j.d.transA, m, depth, paddedM), b = packed(j.B, j.b, q, !j.d.transB, n, depth, paddedN);
        for (uint64_t c0 = 0; c0 < n; c0 += COLUMNS)
            for (uint64_t r0 = 0; r0 < m; r0 += ROWS) {
                float sum[COLUMNS][ROWS] = {};
                for (uint64_t k = 0; k < depth; k++) {
                    const float *x = &a[k * paddedM + r0], *y = &b[k * paddedN + c0];
                    for (uint64_t c = 0; c < COLUMNS; c++)
                        for (uint64_t r = 0; r < ROWS; r++) sum[c][r] += x[r] * y[c];
                }
                for (uint64_t c = c0; c < std::min(n, c0 + COLUMNS); c++)
                    for (uint64_t r = r0; r < std::min(m, r0 + ROWS); r++) {
                        const size_t at = q * j.out.stride + c * j.out.leading + r;
                        const float old = j.beta != 0 ? j.beta * load(j.C, j.c.type, q * j.c.stride + c * j.c.leading + r) : 0;
                        store(j.D, j.out.type, at, j.alpha * sum[c - c0][r - r0] + old);
                    }
            }
    }
}
}  // namespace lt
