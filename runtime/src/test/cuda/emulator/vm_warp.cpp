// Warp-wide instructions: shuffles, votes, reductions. The lanes a mask names must be here.
#include "vm.h"
#include <algorithm>
#include <cstdio>

namespace ptx {
void Vm::members(const uint64_t* masks, uint32_t lanes, const char* what) {
    for (int l = 0; l < 32; l++) {
        if (!on(lanes, l) || !(uint32_t(masks[l]) & ~lanes)) continue;
        char t[96];
        snprintf(t, sizeof t, "%s: mask %08x names lanes that are not here (%08x)", what, uint32_t(masks[l]), lanes);
        fault(card::LAUNCH_FAILED, t);
    }
}
namespace {
void syncWarp(Vm& vm, Warp& w, const Inst& i, uint32_t lanes) {
    vm.members(w.reg(i.src[0]), lanes, "bar.warp.sync");
    vm.clockOf(w.id)[w.id]++;   // what lanes wrote before is older now (vm_shared.cpp)
}
void shuffle(Vm& vm, Warp& w, const Inst& i, uint32_t lanes) {
    vm.members(w.reg(i.src[3]), lanes, "shfl.sync");
    const uint64_t *a = w.reg(i.src[0]), *by = w.reg(i.src[1]), *c = w.reg(i.src[2]);
    uint64_t out[32];
    bool inside[32];
    for (int l = 0; l < 32; l++) {
        if (!on(lanes, l)) continue;
        const int b = by[l] & 31, clamp = c[l] & 31, segment = c[l] >> 8 & 31;
        const int limit = (l & segment) | (clamp & ~segment), first = l & segment;
        int from = i.sub == 0 ? l ^ b : i.sub == 1 ? first | (b & ~segment) : i.sub == 2 ? l - b : l + b;
        inside[l] = i.sub == 2 ? from >= limit : from <= limit;
        if (!inside[l]) from = l;
        if (!on(lanes, from & 31))
            vm.fault(card::LAUNCH_FAILED, "shfl.sync: lane " + std::to_string(l) + " reads lane " + std::to_string(from)
                    + ", which does not take part");
        out[l] = a[from & 31];
    }
    for (int l = 0; l < 32; l++) {
        if (!on(lanes, l)) continue;
        if (i.dst >= 0) w.reg(i.dst)[l] = out[l];
        if (i.dst2 >= 0) w.reg(i.dst2)[l] = inside[l];
    }
}
void vote(Vm& vm, Warp& w, const Inst& i, uint32_t lanes) {
    const uint64_t *a = w.reg(i.src[0]), *masks = w.reg(i.src[1]);
    vm.members(masks, lanes, "vote.sync");
    uint32_t trues = 0;
    for (int l = 0; l < 32; l++)
        if (on(lanes, l) && (a[l] != 0) != i.negC) trues |= 1u << l;
    for (int l = 0; l < 32; l++) {
        if (!on(lanes, l)) continue;
        const uint32_t mask = masks[l], v = trues & mask;
        w.reg(i.dst)[l] = i.sub == 0 ? v : i.sub == 1 ? v != 0 : i.sub == 2 ? v == mask : v == 0 || v == mask;
    }
}
template <class T> T reduced(int how, T a, T b) {
    switch (how) {
        case 0: return T(a + b);
        case 1: return std::min(a, b);
        case 2: return std::max(a, b);
        case 3: return T(a & b);
        case 4: return T(a | b);
        default: return T(a ^ b);
    }
}
template <class T> void reduce(Vm& vm, Warp& w, const Inst& i, uint32_t lanes) {
    const uint64_t *a = w.reg(i.src[0]), *masks = w.reg(i.src[1]);
    vm.members(masks, lanes, "redux.sync");
    uint64_t out[32];
    for (int l = 0; l < 32; l++) {
        if (!on(lanes, l)) continue;
        bool first = true;
        T r{};
        for (int q = 0; q < 32; q++) {
            if (!on(masks[l], q)) continue;
            r = first ? get<T>(a[q]) : reduced(i.sub, r, get<T>(a[q]));
            first = false;
        }
        out[l] = put(r);
    }
    for (int l = 0; l < 32; l++)
        if (on(lanes, l)) w.reg(i.dst)[l] = out[l];
}
template <class T> void match(Vm& vm, Warp& w, const Inst& i, uint32_t lanes) {
    const uint64_t *a = w.reg(i.src[0]), *masks = w.reg(i.src[1]);
    vm.members(masks, lanes, "match.sync");
    uint32_t same[32] = {};
    for (int l = 0; l < 32; l++)
        for (int q = 0; q < 32; q++)
            if (on(masks[l], q) && get<T>(a[q]) == get<T>(a[l])) same[l] |= 1u << q;
    for (int l = 0; l < 32; l++) {
        if (!on(lanes, l)) continue;
        const bool all = same[l] == uint32_t(masks[l]);
        if (i.dst >= 0) w.reg(i.dst)[l] = i.sub && !all ? 0 : same[l];
        if (i.dst2 >= 0) w.reg(i.dst2)[l] = all;
    }
}
}  // namespace

Handler warpHandler(const Inst& i) {
    switch (i.op) {
        case WARPSYNC: return syncWarp;
        case SHFL: return shuffle;
        case VOTE: return vote;
        case REDUX: return byInteger(i.type, [](auto z) -> Handler { return reduce<decltype(z)>; });
        case MATCH: return byInteger(i.type, [](auto z) -> Handler { return match<decltype(z)>; });
        case ACTIVEMASK:
            return [](Vm&, Warp& w, const Inst& i, uint32_t lanes) {
                for (int l = 0; l < 32; l++)
                    if (on(lanes, l)) w.reg(i.dst)[l] = lanes;
            };
        default: return nullptr;
    }
}
}  // namespace ptx
