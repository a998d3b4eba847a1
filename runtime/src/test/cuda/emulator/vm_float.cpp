// Arithmetic on f32 and f64. Approximate functions are exact here; ftz, sat and rounding directions take a slow path.
#include "numeric.h"
#include "vm.h"
#include <algorithm>
#include <cfenv>
#include <cmath>

namespace ptx {
namespace {
/** add, sub, mul, fma in f32 with a rounding direction, flush to zero or saturation. */
__attribute__((noinline, optimize("rounding-math"))) void directed(Vm&, Warp& w, const Inst& i, uint32_t lanes) {
    fesetround(i.round == 'z' ? FE_TOWARDZERO : i.round == 'm' ? FE_DOWNWARD : i.round == 'p' ? FE_UPWARD : FE_TONEAREST);
    for (int l = 0; l < 32; l++) {
        if (!on(lanes, l)) continue;
        volatile float x = get<float>(w.reg(i.src[0])[l]), y = get<float>(w.reg(i.src[1])[l]),
                z = i.op == FMA ? get<float>(w.reg(i.src[2])[l]) : 0, r;
        if (i.ftz) {
            x = numeric::flush(x);
            y = numeric::flush(y);
            z = numeric::flush(z);
        }
        r = i.op == ADD ? x + y : i.op == SUB ? x - y : i.op == MUL ? x * y : std::fma(float(x), float(y), float(z));
        if (i.ftz) r = numeric::flush(r);
        if (i.sat) r = r != r ? 0.0f : std::clamp(float(r), 0.0f, 1.0f);
        w.reg(i.dst)[l] = put(float(r));
    }
    fesetround(FE_TONEAREST);
}

template <class T> Handler arithmetic(const Inst& i) {
    switch (i.op) {
        case ADD: return binary<T>([](T a, T b) { return a + b; });
        case SUB: return binary<T>([](T a, T b) { return a - b; });
        case MUL: return binary<T>([](T a, T b) { return a * b; });
        case FMA: return ternary<T>([](T a, T b, T c) { return std::fma(a, b, c); });
        case DIV: return binary<T>([](T a, T b) { return a / b; });
        case MIN:
            if (i.nan) return binary<T>([](T a, T b) { return a != a || b != b ? T(NAN) : numeric::least(a, b); });
            return binary<T>([](T a, T b) { return numeric::least(a, b); });
        case MAX:
            if (i.nan) return binary<T>([](T a, T b) { return a != a || b != b ? T(NAN) : numeric::most(a, b); });
            return binary<T>([](T a, T b) { return numeric::most(a, b); });
        case NEG: return unary<T>([](T a) { return -a; });
        case ABS: return unary<T>([](T a) { return std::fabs(a); });
        case COPYSIGN: return binary<T>([](T a, T b) { return std::copysign(b, a); });
        case SQRT: return unary<T>([](T a) { return std::sqrt(a); });
        case RSQRT: return unary<T>([](T a) { return 1 / std::sqrt(a); });
        case RCP: return unary<T>([](T a) { return 1 / a; });
        default: return nullptr;
    }
}

template <class F> constexpr Handler transcendental(F) {
    return [](Vm&, Warp& w, const Inst& i, uint32_t lanes) {
        for (int l = 0; l < 32; l++)
            if (on(lanes, l)) {
                const float a = get<float>(w.reg(i.src[0])[l]), r = F{}(i.ftz ? numeric::flush(a) : a);
                w.reg(i.dst)[l] = put(i.ftz ? numeric::flush(r) : r);
            }
    };
}

/** What has .ftz and is not one of the directed four. */
Handler flushed(const Inst& i) {
    switch (i.op) {
        case DIV: return binary<float>([](float a, float b) { return numeric::flush(numeric::flush(a) / numeric::flush(b)); });
        case MIN: return i.nan ? nullptr : binary<float>([](float a, float b) { return numeric::least(numeric::flush(a), numeric::flush(b)); });
        case MAX: return i.nan ? nullptr : binary<float>([](float a, float b) { return numeric::most(numeric::flush(a), numeric::flush(b)); });
        case NEG: return unary<float>([](float a) { return -numeric::flush(a); });
        case ABS: return unary<float>([](float a) { return std::fabs(numeric::flush(a)); });
        case SQRT: return transcendental([](float a) { return std::sqrt(a); });
        case RSQRT: return transcendental([](float a) { return 1 / std::sqrt(a); });
        case RCP: return transcendental([](float a) { return 1 / a; });
        default: return nullptr;
    }
}
}  // namespace

Handler floatHandler(const Inst& i) {
    if (i.type != F32 && i.type != F64) return nullptr;
    switch (i.op) {
        case EX2: return transcendental([](float a) { return std::exp2(a); });
        case LG2: return transcendental([](float a) { return std::log2(a); });
        case SIN: return transcendental([](float a) { return std::sin(a); });
        case COS: return transcendental([](float a) { return std::cos(a); });
        case TANH: return transcendental([](float a) { return std::tanh(a); });
        case MAD: case FMA: case ADD: case SUB: case MUL:
            if (i.type == F32 && (i.round != 'n' || i.ftz || i.sat)) return directed;
            break;
        default: break;
    }
    if (i.type == F64) return arithmetic<double>(i);
    return i.ftz ? flushed(i) : arithmetic<float>(i);
}
}  // namespace ptx
