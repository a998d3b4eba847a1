// ld, st, atom, red: every access is checked for alignment and for the allocation that holds it.
#include "vm.h"
#include <algorithm>
#include <cstring>

namespace ptx {
uint8_t* Vm::globalAt(uint64_t a, unsigned n, Access kind) {
    card::Allocation*& last = seen[current->index];
    if (!last || last->admitted != launch.op->id || a < last->base || a + n > last->base + last->size) last = &card::reach(*launch.op, a, n);
    card::touch(*launch.op, *last, a, n, kind != Access::READ);
    touchWords(*last, a, n, kind);
    return reinterpret_cast<uint8_t*>(a);
}

uint8_t* Vm::memoryAt(Warp& w, int lane, Space space, uint64_t a, unsigned n, Access kind) {
    if (a & (n - 1)) fault(card::MISALIGNED, "misaligned access of " + std::to_string(n) + " bytes by thread " + std::to_string(w.id * 32 + lane));
    if (space == GENERIC) {
        if (a - SHARED_BASE < WINDOW) {
            space = SHARED;
            a -= SHARED_BASE;
        } else if (a - LOCAL_BASE < WINDOW) {
            space = LOCAL;
            a -= LOCAL_BASE;
        }
    }
    if (space == SHARED) return sharedAt(w, lane, uint32_t(a), n, kind);
    if (space == LOCAL) {
        if (a + n > k.localBytes)
            fault(card::ILLEGAL_ADDRESS, "local memory access at " + std::to_string(a) + ", beyond the " + std::to_string(k.localBytes)
                    + " bytes of a thread");
        return w.local.data() + lane * size_t(k.localBytes) + a;
    }
    return globalAt(a, n, kind);
}

namespace {
bool isGlobal(const Inst& i, const uint64_t* addresses, uint32_t lanes) {
    if (i.space != GENERIC) return i.space == GLOBAL;
    for (int l = 0; l < 32; l++)
        if (on(lanes, l) && (addresses[l] - SHARED_BASE < WINDOW || addresses[l] - LOCAL_BASE < WINDOW)) return false;
    return true;
}
/** A whole warp in one allocation, side by side: checked in one go. False: lane by lane. */
bool checkedAtOnce(Vm& vm, const Inst& i, const uint64_t* addresses, uint32_t lanes, unsigned n, Access kind) {
    card::Allocation* a = vm.seen[i.index];
    if (lanes != ALL || !a || a->admitted != vm.launch.op->id) return false;
    uint64_t bits = addresses[0] & (n - 1);
    bool dense = true;
    for (int l = 1; l < 32; l++) dense &= addresses[l] == addresses[0] + l * n;
    if (bits || !dense || addresses[0] < a->base || addresses[31] + n > a->base + a->size) return false;
    card::touch(*vm.launch.op, *a, addresses[0], 32 * n, kind != Access::READ);
    vm.touchWords(*a, addresses[0], 32 * n, kind);
    return true;
}

/** Addresses of the lanes, checked; null where a lane does nothing. */
void resolve(Vm& vm, Warp& w, const Inst& i, uint32_t lanes, unsigned n, Access kind, uint8_t** out) {
    uint64_t addresses[32];
    const uint64_t* a = w.reg(i.src[0]);
    for (int l = 0; l < 32; l++) addresses[l] = a[l] + i.offset[0];
    const bool global = isGlobal(i, addresses, lanes);
    if (vm.launch.count) {
        const bool shared = i.space == SHARED || (i.space == GENERIC && !global);
        if (global && kind != Access::WRITE) vm.countGlobal(addresses, lanes, n, false);
        if (global && kind != Access::READ) vm.countGlobal(addresses, lanes, n, true);
        if (shared) vm.countShared(addresses, lanes, n);
    }
    if (global && checkedAtOnce(vm, i, addresses, lanes, n, kind)) {
        for (int l = 0; l < 32; l++) out[l] = reinterpret_cast<uint8_t*>(addresses[l]);
        return;
    }
    for (int l = 0; l < 32; l++)
        if (on(lanes, l)) out[l] = vm.memoryAt(w, l, i.space, addresses[l], n, kind);
}

template <class T> void load(Vm& vm, Warp& w, const Inst& i, uint32_t lanes) {
    uint8_t* p[32];
    resolve(vm, w, i, lanes, sizeof(T) * i.width, Access::READ, p);
    for (int q = 0; q < i.width; q++) {
        uint64_t* d = w.reg(i.vec[0][q]);
        for (int l = 0; l < 32; l++) {
            if (!on(lanes, l)) continue;
            T v;
            memcpy(&v, p[l] + q * sizeof(T), sizeof(T));
            d[l] = std::is_signed_v<T> && std::is_integral_v<T> ? uint64_t(int64_t(v)) : put(v);   // the register may be wider than the type
        }
    }
}
template <class T> void store(Vm& vm, Warp& w, const Inst& i, uint32_t lanes) {
    uint8_t* p[32];
    resolve(vm, w, i, lanes, sizeof(T) * i.width, Access::WRITE, p);
    for (int q = 0; q < i.width; q++) {
        const uint64_t* s = w.reg(i.vec[0][q]);
        for (int l = 0; l < 32; l++)
            if (on(lanes, l)) memcpy(p[l] + q * sizeof(T), &s[l], sizeof(T));
    }
}
template <class T> void parameter(Vm& vm, Warp& w, const Inst& i, uint32_t lanes) {
    for (int q = 0; q < i.width; q++) {
        T v;
        memcpy(&v, vm.launch.params + i.offset[0] + q * sizeof(T), sizeof(T));
        const uint64_t wide = std::is_signed_v<T> && std::is_integral_v<T> ? uint64_t(int64_t(v)) : put(v);
        uint64_t* d = w.reg(i.vec[0][q]);
        for (int l = 0; l < 32; l++) d[l] = on(lanes, l) ? wide : d[l];
    }
}

template <class T> T combined(int how, T old, T b, T c) {
    switch (how) {
        case 0: return T(old + b);
        case 1: return std::min(old, b);
        case 2: return std::max(old, b);
        case 6: return b;
        case 7: return old == b ? c : old;
        case 8: return old >= b ? T(0) : T(old + 1);
        case 9: return old == 0 || old > b ? b : T(old - 1);
        default:
            if constexpr (std::is_integral_v<T>) return how == 3 ? T(old & b) : how == 4 ? T(old | b) : T(old ^ b);
            else return old;
    }
}
template <class T> void atomic(Vm& vm, Warp& w, const Inst& i, uint32_t lanes) {
    uint8_t* p[32];
    resolve(vm, w, i, lanes, sizeof(T), Access::ATOMIC, p);
    const uint64_t *b = w.reg(i.src[1]), *c = i.src[2] < 0 ? b : w.reg(i.src[2]);
    for (int l = 0; l < 32; l++) {
        if (!on(lanes, l)) continue;
        T old;
        memcpy(&old, p[l], sizeof(T));
        const T v = combined(i.sub, old, get<T>(b[l]), get<T>(c[l]));
        memcpy(p[l], &v, sizeof(T));
        if (i.dst >= 0) w.reg(i.dst)[l] = put(old);
    }
}
}  // namespace

Handler memoryHandler(const Inst& i) {
    switch (i.op) {
        case LD: return byType(i.type, [](auto z) -> Handler { return load<decltype(z)>; });
        case ST: return byType(i.type, [](auto z) -> Handler { return store<decltype(z)>; });
        case LDPARAM: return byType(i.type, [](auto z) -> Handler { return parameter<decltype(z)>; });
        case ATOM: return byType(i.type, [](auto z) -> Handler { return atomic<decltype(z)>; });
        default: return nullptr;
    }
}
}  // namespace ptx
