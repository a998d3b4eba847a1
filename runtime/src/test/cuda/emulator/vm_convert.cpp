// cvt: type2 <- type.
#include "numeric.h"
#include "vm.h"
#include <algorithm>
#include <cfenv>
#include <limits>

namespace ptx {
namespace {
__attribute__((noinline, optimize("rounding-math"))) double integral(double v, char how) {
    switch (how) {
        case 'z': return std::trunc(v);
        case 'm': return std::floor(v);
        case 'p': return std::ceil(v);
        default: return std::nearbyint(v);
    }
}
__attribute__((noinline, optimize("rounding-math"))) float toFloat(double v, char how) {
    if (how == 'n') return float(v);
    fesetround(how == 'z' ? FE_TOWARDZERO : how == 'm' ? FE_DOWNWARD : FE_UPWARD);
    volatile double x = v;
    volatile float r = float(x);
    fesetround(FE_TONEAREST);
    return r;
}
/** Float to integer saturates, NaN becomes 0. */
template <class T> T toInteger(double f) {
    constexpr T lowest = std::numeric_limits<T>::min(), highest = std::numeric_limits<T>::max();
    return f != f ? T(0) : f <= double(lowest) ? lowest : f >= double(highest) ? highest : T(f);
}

struct Number {
    bool isFloat, isUnsigned;
    double f;
    int64_t n;
};
Number read(const Inst& i, uint64_t v) {
    switch (i.type) {
        case F32: return {true, false, i.ftz ? numeric::flush(get<float>(v)) : get<float>(v), 0};
        case F64: return {true, false, get<double>(v), 0};
        case BF16: return {true, false, numeric::fromBf16(v), 0};
        case F16: return {true, false, numeric::fromF16(v), 0};
        default: return {false, i.type == U64, 0, byInteger(i.type, [&](auto z) { return int64_t(get<decltype(z)>(v)); })};
    }
}
float single(Vm& vm, const Inst& i, const Number& x) {
    float r;
    if (x.isFloat) {
        r = toFloat(x.f, i.intRound ? 'n' : i.round);
    } else if (i.round == 'n') {
        r = x.isUnsigned ? float(uint64_t(x.n)) : float(x.n);
    } else {
        if (std::abs(x.n) >> 53 || (x.isUnsigned && x.n < 0))
            vm.fault(card::LAUNCH_FAILED, "cvt of a 64-bit integer with a rounding direction is not supported");
        r = toFloat(double(x.n), i.round);
    }
    if (i.ftz) r = numeric::flush(r);
    return !i.sat ? r : r != r ? 0.0f : std::clamp(r, 0.0f, 1.0f);
}
template <class T> uint64_t integer(const Inst& i, const Number& x) {
    T r;
    if (x.isFloat) {
        r = toInteger<T>(x.f);
    } else if (i.sat) {
        const __int128 wide = x.isUnsigned ? (__int128)uint64_t(x.n) : (__int128)x.n;
        r = T(std::clamp<__int128>(wide, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
    } else {
        r = T(x.n);
    }
    return std::is_signed_v<T> ? uint64_t(int64_t(r)) : put(r);   // the register may be wider than the type
}

void general(Vm& vm, Warp& w, const Inst& i, uint32_t lanes) {
    for (int l = 0; l < 32; l++) {
        if (!on(lanes, l)) continue;
        Number x = read(i, w.reg(i.src[0])[l]);
        if (x.isFloat && i.intRound) x.f = integral(x.f, i.round);
        uint64_t& d = w.reg(i.dst)[l];
        switch (i.type2) {
            case F32: d = put(single(vm, i, x)); break;
            case F64: d = put(x.isFloat ? x.f : x.isUnsigned ? double(uint64_t(x.n)) : double(x.n)); break;
            case BF16: d = numeric::toBf16(x.f); break;
            case F16: d = numeric::toF16(x.isFloat ? x.f : double(x.n)); break;
            default: d = byInteger(i.type2, [&](auto z) { return integer<decltype(z)>(i, x); });
        }
    }
}
template <class FROM, class TO> void direct(Vm&, Warp& w, const Inst& i, uint32_t lanes) {
    uint64_t* d = w.reg(i.dst);
    const uint64_t* a = w.reg(i.src[0]);
#pragma GCC ivdep
    for (int l = 0; l < 32; l++) {
        const TO r = TO(get<FROM>(a[l]));
        const uint64_t v = std::is_integral_v<TO> && std::is_signed_v<TO> ? uint64_t(int64_t(r)) : put(r);
        d[l] = on(lanes, l) ? v : d[l];
    }
}
void pack(Vm&, Warp& w, const Inst& i, uint32_t lanes) {
    auto half = [&](uint64_t v) { return uint32_t(i.type2 == BF16X2 ? numeric::toBf16(get<float>(v)) : numeric::toF16(get<float>(v))); };
    for (int l = 0; l < 32; l++)
        if (on(lanes, l)) w.reg(i.dst)[l] = half(w.reg(i.src[0])[l]) << 16 | half(w.reg(i.src[1])[l]);
}
bool isInteger(Type t) { return t <= S64; }
}  // namespace

Handler convertHandler(const Inst& i) {
    if (i.op == CVT_PACK) return pack;
    if (i.op != CVT) return nullptr;
    if (isInteger(i.type) && isInteger(i.type2) && !i.sat)
        return byInteger(i.type, [&](auto from) {
            return byInteger(i.type2, [&](auto to) -> Handler { return direct<decltype(from), decltype(to)>; });
        });
    if (isInteger(i.type) && i.type2 == F32 && i.round == 'n' && !i.sat)
        return byInteger(i.type, [](auto from) -> Handler { return direct<decltype(from), float>; });
    if (isInteger(i.type) && i.type2 == F64) return byInteger(i.type, [](auto from) -> Handler { return direct<decltype(from), double>; });
    if (i.type == F32 && i.type2 == F64 && !i.ftz) return direct<float, double>;
    return general;
}
}  // namespace ptx
