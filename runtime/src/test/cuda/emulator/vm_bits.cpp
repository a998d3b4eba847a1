// Logic, shifts and bit fields.
#include "vm.h"
#include <algorithm>

namespace ptx {
namespace {
template <class F> constexpr Handler eachLane(F) {
    return [](Vm&, Warp& w, const Inst& i, uint32_t lanes) {
        for (int l = 0; l < 32; l++)
            if (on(lanes, l)) w.reg(i.dst)[l] = F{}(w, i, l);
    };
}
uint64_t source(Warp& w, const Inst& i, int n, int l) { return w.reg(i.src[n])[l]; }

void lop3(Vm&, Warp& w, const Inst& i, uint32_t lanes) {
    uint64_t* d = w.reg(i.dst);
    const uint64_t *A = w.reg(i.src[0]), *B = w.reg(i.src[1]), *C = w.reg(i.src[2]);
    const int table = i.offset[2];
    for (int l = 0; l < 32; l++) {
        const uint32_t a = A[l], b = B[l], c = C[l];
        uint32_t r = 0;
        for (int q = 0; q < 8; q++)
            if (table >> q & 1) r |= (q & 4 ? a : ~a) & (q & 2 ? b : ~b) & (q & 1 ? c : ~c);
        d[l] = on(lanes, l) ? r : d[l];
    }
}
uint64_t funnel(Warp& w, const Inst& i, int l) {
    const uint64_t v = source(w, i, 1, l) << 32 | uint32_t(source(w, i, 0, l));
    const uint32_t by = source(w, i, 2, l), n = i.sub & 2 ? std::min(by, 32u) : by & 31;
    if (i.sub & 1) return uint32_t(n == 32 ? v : v << n >> 32);
    return uint32_t(n == 32 ? v >> 32 : v >> n);
}
uint64_t permute(Warp& w, const Inst& i, int l) {
    const uint64_t v = source(w, i, 1, l) << 32 | uint32_t(source(w, i, 0, l)), selector = source(w, i, 2, l);
    uint32_t r = 0;
    for (int q = 0; q < 4; q++) {
        const unsigned s = selector >> q * 4 & 15;
        unsigned byte = v >> (s & 7) * 8 & 255;
        if (s & 8) byte = byte & 128 ? 255 : 0;
        r |= byte << q * 8;
    }
    return r;
}
uint64_t extract(Warp& w, const Inst& i, int l) {
    const unsigned bits = sizeOf(i.type) * 8, from = source(w, i, 1, l) & 255, length = source(w, i, 2, l) & 255;
    const uint64_t a = bits == 32 ? uint32_t(source(w, i, 0, l)) : source(w, i, 0, l);
    const bool isSigned = i.type == S32 || i.type == S64;
    const unsigned sign = length && isSigned ? a >> std::min(from + length - 1, bits - 1) & 1 : 0;
    uint64_t v = 0;
    for (unsigned q = 0; q < bits; q++) v |= uint64_t(q < length && from + q < bits ? a >> (from + q) & 1 : sign) << q;
    return v;
}
uint64_t insert(Warp& w, const Inst& i, int l) {
    const unsigned bits = sizeOf(i.type) * 8, from = source(w, i, 2, l) & 255, length = source(w, i, 3, l) & 255;
    uint64_t v = bits == 32 ? uint32_t(source(w, i, 1, l)) : source(w, i, 1, l);
    for (unsigned q = 0; q < length && from + q < bits; q++) v = (v & ~(1ull << (from + q))) | (source(w, i, 0, l) >> q & 1) << (from + q);
    return v;
}
uint64_t findBit(Warp& w, const Inst& i, int l) {
    uint32_t v = source(w, i, 0, l);
    if (i.type == S32 && int32_t(v) < 0) v = ~v;
    const int p = v ? 31 - std::countl_zero(v) : -1;
    return uint32_t(i.sub && p >= 0 ? 31 - p : p);
}
template <class T> uint64_t reversed(uint64_t a) {
    uint64_t r = 0;
    for (unsigned q = 0; q < sizeof(T) * 8; q++) r |= (a >> q & 1) << (sizeof(T) * 8 - 1 - q);
    return r;
}
template <class T> void shiftLeft(Vm&, Warp& w, const Inst& i, uint32_t lanes) {
    uint64_t* d = w.reg(i.dst);
    const uint64_t *a = w.reg(i.src[0]), *b = w.reg(i.src[1]);
#pragma GCC ivdep
    for (int l = 0; l < 32; l++) {
        const uint32_t n = b[l];
        const uint64_t v = n >= sizeof(T) * 8 ? 0 : put(T(get<T>(a[l]) << n));
        d[l] = on(lanes, l) ? v : d[l];
    }
}
template <class T> void shiftRight(Vm&, Warp& w, const Inst& i, uint32_t lanes) {
    uint64_t* d = w.reg(i.dst);
    const uint64_t *A = w.reg(i.src[0]), *b = w.reg(i.src[1]);
#pragma GCC ivdep
    for (int l = 0; l < 32; l++) {
        const uint32_t n = b[l];
        const T a = get<T>(A[l]);
        const uint64_t v = put(n >= sizeof(T) * 8 ? (a < 0 ? T(-1) : T(0)) : T(a >> n));
        d[l] = on(lanes, l) ? v : d[l];
    }
}
}  // namespace

Handler bitHandler(const Inst& i) {
    const bool narrow = sizeOf(i.type) == 4;
    switch (i.op) {
        case AND: return binary<uint64_t>([](uint64_t a, uint64_t b) { return a & b; });
        case OR: return binary<uint64_t>([](uint64_t a, uint64_t b) { return a | b; });
        case XOR: return binary<uint64_t>([](uint64_t a, uint64_t b) { return a ^ b; });
        case NOT:
            if (i.type == PRED) return unary<uint64_t>([](uint64_t a) { return a ^ 1; });
            return byInteger(i.type, [](auto z) -> Handler { return unary<decltype(z)>([](decltype(z) a) { return decltype(z)(~a); }); });
        case SHL: return byInteger(i.type, [](auto z) -> Handler { return shiftLeft<decltype(z)>; });
        case SHR: return byInteger(i.type, [](auto z) -> Handler { return shiftRight<decltype(z)>; });
        case POPC: return narrow ? unary<uint32_t>([](uint32_t a) { return uint32_t(std::popcount(a)); })
                : unary<uint64_t>([](uint64_t a) { return uint64_t(std::popcount(a)); });
        case CLZ: return narrow ? unary<uint32_t>([](uint32_t a) { return uint32_t(std::countl_zero(a)); })
                : unary<uint64_t>([](uint64_t a) { return uint64_t(std::countl_zero(a)); });
        case BREV: return narrow ? unary<uint32_t>([](uint32_t a) { return reversed<uint32_t>(a); })
                : unary<uint64_t>([](uint64_t a) { return reversed<uint64_t>(a); });
        case LOP3: return lop3;
        case SHF: return eachLane([](Warp& w, const Inst& i, int l) { return funnel(w, i, l); });
        case PRMT: return eachLane([](Warp& w, const Inst& i, int l) { return permute(w, i, l); });
        case BFE: return eachLane([](Warp& w, const Inst& i, int l) { return extract(w, i, l); });
        case BFI: return eachLane([](Warp& w, const Inst& i, int l) { return insert(w, i, l); });
        case BFIND: return eachLane([](Warp& w, const Inst& i, int l) { return findBit(w, i, l); });
        default: return nullptr;
    }
}
}  // namespace ptx
