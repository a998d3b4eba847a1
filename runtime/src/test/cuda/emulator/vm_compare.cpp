// setp and selp.
#include "numeric.h"
#include "vm.h"

namespace ptx {
namespace {
/** The low four bits of sub: which comparison; from 6 to 11 true also where one is NaN. */
template <class T> bool compare(int which, T a, T b) {
    const bool unordered = a != a || b != b;
    switch (which) {
        case 0: return a == b;
        case 1: return a != b && !unordered;
        case 2: return a < b;
        case 3: return a <= b;
        case 4: return a > b;
        case 5: return a >= b;
        case 6: return a == b || unordered;
        case 7: return a != b;
        case 8: return a < b || unordered;
        case 9: return a <= b || unordered;
        case 10: return a > b || unordered;
        case 11: return a >= b || unordered;
        case 12: return !unordered;
        default: return unordered;
    }
}
/** The usual case: one result, nothing to combine with. */
template <class T, int WHICH> void plain(Vm&, Warp& w, const Inst& i, uint32_t lanes) {
    uint64_t* d = w.reg(i.dst);
    const uint64_t *a = w.reg(i.src[0]), *b = w.reg(i.src[1]);
#pragma GCC ivdep
    for (int l = 0; l < 32; l++) {
        const uint64_t v = compare(WHICH, get<T>(a[l]), get<T>(b[l]));
        d[l] = on(lanes, l) ? v : d[l];
    }
}
template <class T> Handler plainOf(int which) {
    switch (which) {
        case 0: return plain<T, 0>;
        case 1: return plain<T, 1>;
        case 2: return plain<T, 2>;
        case 3: return plain<T, 3>;
        case 4: return plain<T, 4>;
        case 5: return plain<T, 5>;
        case 6: return plain<T, 6>;
        case 7: return plain<T, 7>;
        case 8: return plain<T, 8>;
        case 9: return plain<T, 9>;
        case 10: return plain<T, 10>;
        case 11: return plain<T, 11>;
        case 12: return plain<T, 12>;
        default: return plain<T, 13>;
    }
}
void withPredicate(Vm&, Warp& w, const Inst& i, uint32_t lanes) {
    const int which = i.sub & 15, how = i.sub >> 4;
    for (int l = 0; l < 32; l++) {
        if (!on(lanes, l)) continue;
        const uint64_t a = w.reg(i.src[0])[l], b = w.reg(i.src[1])[l];
        bool v;
        if (i.type == F16) v = compare(which, numeric::fromF16(a), numeric::fromF16(b));
        else if (i.type == BF16) v = compare(which, numeric::fromBf16(a), numeric::fromBf16(b));
        else if (i.type == F32 && i.ftz) v = compare(which, numeric::flush(get<float>(a)), numeric::flush(get<float>(b)));
        else v = byType(i.type, [&](auto z) { return compare(which, get<decltype(z)>(a), get<decltype(z)>(b)); });
        const bool c = i.src[2] >= 0 && (w.reg(i.src[2])[l] != 0) != i.negC;
        auto with = [&](bool x) { return how == 1 ? x && c : how == 2 ? x || c : how == 3 ? x != c : x; };
        if (i.dst >= 0) w.reg(i.dst)[l] = with(v);
        if (i.dst2 >= 0) w.reg(i.dst2)[l] = with(!v);
    }
}
}  // namespace

Handler compareHandler(const Inst& i) {
    if (i.op == SELP)
        return [](Vm&, Warp& w, const Inst& i, uint32_t lanes) {
            uint64_t* d = w.reg(i.dst);
            const uint64_t *a = w.reg(i.src[0]), *b = w.reg(i.src[1]), *c = w.reg(i.src[2]);
#pragma GCC ivdep
            for (int l = 0; l < 32; l++) {
                const uint64_t v = c[l] ? a[l] : b[l];
                d[l] = on(lanes, l) ? v : d[l];
            }
        };
    if (i.op != SETP) return nullptr;
    const bool simple = i.sub < 16 && i.src[2] < 0 && i.dst >= 0 && i.dst2 < 0 && !i.ftz && i.type != F16 && i.type != BF16;
    if (!simple) return withPredicate;
    return byType(i.type, [&](auto z) -> Handler { return plainOf<decltype(z)>(i.sub); });
}
}  // namespace ptx
