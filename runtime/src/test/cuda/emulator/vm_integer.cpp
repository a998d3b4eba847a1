// Integer arithmetic.
#include "vm.h"
#include <algorithm>

namespace ptx {
namespace {
template <class T>
using Wide = std::conditional_t<sizeof(T) == 8, std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>,
                                std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>;

template <class T> Handler typed(const Inst& i) {
    switch (i.op) {
        case ADD: return binary<T>([](T a, T b) { return T(a + b); });
        case SUB: return binary<T>([](T a, T b) { return T(a - b); });
        case MUL: return binary<T>([](T a, T b) { return T(a * b); });
        case MAD: return ternary<T>([](T a, T b, T c) { return T(a * b + c); });
        case MULHI: return binary<T>([](T a, T b) { return T(Wide<T>(a) * Wide<T>(b) >> sizeof(T) * 8); });
        case MADHI: return ternary<T>([](T a, T b, T c) { return T(T(Wide<T>(a) * Wide<T>(b) >> sizeof(T) * 8) + c); });
        case SAD: return ternary<T>([](T a, T b, T c) { return T(c + (a < b ? b - a : a - b)); });
        case DIV:   // by zero: all ones, as cards do; the least number by -1 wraps
            return binary<T>([](T a, T b) { return b == 0 ? T(-1) : std::is_signed_v<T> && b == T(-1) ? T(-a) : T(a / b); });
        case REM: return binary<T>([](T a, T b) { return b == 0 ? a : std::is_signed_v<T> && b == T(-1) ? T(0) : T(a % b); });
        case MIN: return binary<T>([](T a, T b) { return std::min(a, b); });
        case MAX: return binary<T>([](T a, T b) { return std::max(a, b); });
        case NEG: return unary<T>([](T a) { return T(-a); });
        case ABS: return unary<T>([](T a) { return T(a < 0 ? -a : a); });
        default: return nullptr;
    }
}

/** mul.wide and mad.wide: the result has twice the width. */
template <class T> void wide(Vm&, Warp& w, const Inst& i, uint32_t lanes) {
    uint64_t* d = w.reg(i.dst);
    const uint64_t *a = w.reg(i.src[0]), *b = w.reg(i.src[1]), *c = i.op == MADWIDE ? w.reg(i.src[2]) : nullptr;
#pragma GCC ivdep
    for (int l = 0; l < 32; l++) {
        uint64_t v = uint64_t(Wide<T>(get<T>(a[l]))) * uint64_t(Wide<T>(get<T>(b[l]))) + (c ? c[l] : 0);
        if (sizeof(T) == 2) v = uint32_t(v);
        d[l] = on(lanes, l) ? v : d[l];
    }
}

void saturated(Vm&, Warp& w, const Inst& i, uint32_t lanes) {
    for (int l = 0; l < 32; l++) {
        if (!on(lanes, l)) continue;
        const int64_t a = get<int32_t>(w.reg(i.src[0])[l]), b = get<int32_t>(w.reg(i.src[1])[l]);
        w.reg(i.dst)[l] = put(int32_t(std::clamp<int64_t>(i.op == ADD ? a + b : a - b, INT32_MIN, INT32_MAX)));
    }
}
}  // namespace

Handler integerHandler(const Inst& i) {
    if (i.op == MULWIDE || i.op == MADWIDE) return byInteger(i.type, [](auto z) -> Handler { return wide<decltype(z)>; });
    if (i.type == F32 || i.type == F64 || i.type == PRED) return nullptr;
    if (i.sat && (i.op == ADD || i.op == SUB)) return saturated;
    return byInteger(i.type, [&](auto z) -> Handler {
        if constexpr (sizeof z == 1) return nullptr;
        else return typed<decltype(z)>(i);
    });
}
}  // namespace ptx
