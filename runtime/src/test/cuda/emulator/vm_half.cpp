// Arithmetic on f16 and bf16, one or two a register: computed in double and rounded once.
#include "numeric.h"
#include "vm.h"

namespace ptx {
namespace {
template <class F> constexpr Handler half(F) {
    return [](Vm&, Warp& w, const Inst& i, uint32_t lanes) {
        const bool bf = i.type == BF16 || i.type == BF16X2, two = i.type == F16X2 || i.type == BF16X2;
        for (int l = 0; l < 32; l++) {
            if (!on(lanes, l)) continue;
            uint64_t packed = 0;
            for (int q = 0; q <= two; q++) {
                double x[3] = {};
                for (int s = 0; s < 3; s++) {
                    if (i.src[s] < 0) continue;
                    const uint16_t h = w.reg(i.src[s])[l] >> 16 * q;
                    x[s] = bf ? double(numeric::fromBf16(h)) : double(numeric::fromF16(h));
                }
                const double v = F{}(i, x);
                const uint64_t h = v != v ? 0x7fff : bf ? numeric::toBf16(v) : numeric::toF16(v);
                packed |= h << 16 * q;
            }
            w.reg(i.dst)[l] = packed;
        }
    };
}
}  // namespace

Handler halfHandler(const Inst& i) {
    if (i.type != F16 && i.type != BF16 && i.type != F16X2 && i.type != BF16X2) return nullptr;
    switch (i.op) {
        case ADD: return half([](const Inst&, double* x) { return x[0] + x[1]; });
        case SUB: return half([](const Inst&, double* x) { return x[0] - x[1]; });
        case MUL: return half([](const Inst&, double* x) { return x[0] * x[1]; });
        case FMA: return half([](const Inst&, double* x) { return std::fma(x[0], x[1], x[2]); });
        case MIN: return half([](const Inst& i, double* x) { return i.nan && (x[0] != x[0] || x[1] != x[1]) ? NAN : numeric::least(x[0], x[1]); });
        case MAX: return half([](const Inst& i, double* x) { return i.nan && (x[0] != x[0] || x[1] != x[1]) ? NAN : numeric::most(x[0], x[1]); });
        case NEG: case ABS:
            return [](Vm&, Warp& w, const Inst& i, uint32_t lanes) {
                const uint64_t signs = i.type == F16 || i.type == BF16 ? 0x8000 : 0x80008000;
                for (int l = 0; l < 32; l++)
                    if (on(lanes, l)) w.reg(i.dst)[l] = i.op == NEG ? w.reg(i.src[0])[l] ^ signs : w.reg(i.src[0])[l] & ~signs;
            };
        default: return nullptr;
    }
}
}  // namespace ptx
