// mov, with its packing of small registers into a wide one and back, and the conversions of addresses.
#include "vm.h"
#include <algorithm>

namespace ptx {
namespace {
void copy(Vm&, Warp& w, const Inst& i, uint32_t lanes) {
    uint64_t* to = w.reg(i.vec[0][0]);
    const uint64_t* from = w.reg(i.vec[1][0]);
#pragma GCC ivdep
    for (int l = 0; l < 32; l++) to[l] = on(lanes, l) ? from[l] : to[l];
}
void repack(Vm&, Warp& w, const Inst& i, uint32_t lanes) {
    const int parts = std::max(i.vecSize[0], i.vecSize[1]), bits = sizeOf(i.type) * 8 / parts;
    const uint64_t part = (1ull << bits) - 1;
    for (int l = 0; l < 32; l++) {
        if (!on(lanes, l)) continue;
        uint64_t v = 0;
        if (i.vecSize[1] > 1)
            for (int q = 0; q < parts; q++) v |= (w.reg(i.vec[1][q])[l] & part) << q * bits;
        else
            v = w.reg(i.vec[1][0])[l];
        if (i.vecSize[0] > 1)
            for (int q = 0; q < parts; q++) w.reg(i.vec[0][q])[l] = v >> q * bits & part;
        else
            w.reg(i.vec[0][0])[l] = v;
    }
}
template <uint64_t BY> constexpr Handler shift() {
    return unary<uint64_t>([](uint64_t a) { return a + BY; });
}
}  // namespace

Handler moveHandler(const Inst& i) {
    switch (i.op) {
        case MOV: return i.vecSize[0] == 1 && i.vecSize[1] == 1 ? copy : repack;
        case CVTA: return i.space == SHARED ? shift<SHARED_BASE>() : i.space == LOCAL ? shift<LOCAL_BASE>() : shift<0>();
        case CVTA_TO: return i.space == SHARED ? shift<-SHARED_BASE>() : i.space == LOCAL ? shift<-LOCAL_BASE>() : shift<0>();
        default: return nullptr;
    }
}
}  // namespace ptx
