// cp.async: performed as late as allowed, at the wait for its group. Until then its target is poisoned and may not be touched.
#include "vm.h"
#include <algorithm>
#include <cstring>

namespace ptx {
namespace {
void start(Vm& vm, Warp& w, const Inst& i, uint32_t lanes) {
    const uint64_t *to = w.reg(i.src[0]), *from = w.reg(i.src[1]), *bytes = w.reg(i.src[2]);
    uint64_t sources[32];
    for (int l = 0; l < 32; l++) {
        if (!on(lanes, l)) continue;
        const uint32_t n = std::min<uint32_t>(uint32_t(bytes[l]), i.width), target = uint32_t(to[l] + i.offset[0]);   // the rest becomes zeros
        sources[l] = from[l] + i.offset[1];
        if (sources[l] & (i.width - 1)) vm.fault(card::MISALIGNED, "cp.async: misaligned source");
        uint8_t* s = vm.memoryAt(w, l, SHARED, target, i.width, Access::WRITE);
        if (n) vm.globalAt(sources[l], n, Access::READ);
        memset(s, 0xff, i.width);
        vm.mark(target, i.width, true);
        w.copies.push_back({l, w.group[l], target, n, i.width, sources[l]});
        if (!n) lanes &= ~(1u << l);
    }
    if (vm.launch.count) vm.countGlobal(sources, lanes, i.width, false);
}
void commit(Vm&, Warp& w, const Inst&, uint32_t lanes) {
    for (int l = 0; l < 32; l++) w.group[l] += on(lanes, l);
}
void wait(Vm& vm, Warp& w, const Inst& i, uint32_t lanes) {
    uint32_t below[32];
    for (int l = 0; l < 32; l++) {
        if (!on(lanes, l)) continue;
        const uint32_t pending = i.op == CP_WAIT ? uint32_t(w.reg(i.src[0])[l]) : 0;
        if (i.op == CP_WAIT_ALL) w.group[l]++;
        below[l] = w.group[l] > pending ? w.group[l] - pending : 0;
    }
    vm.finishCopies(w, lanes, below);
}
}  // namespace

/** Those of the lanes whose group is below the one given. */
void Vm::finishCopies(Warp& w, uint32_t lanes, const uint32_t* below) {
    size_t left = 0;
    for (auto& c : w.copies) {
        if (!on(lanes, c.lane) || c.group >= below[c.lane]) {
            w.copies[left++] = c;
            continue;
        }
        mark(c.dst, c.width, false);
        touch(w, c.lane, c.dst, c.width, Access::WRITE);
        uint8_t* s = shared.data() + c.dst;
        if (c.bytes) memcpy(s, (void*)c.src, c.bytes);
        memset(s + c.bytes, 0, c.width - c.bytes);
    }
    w.copies.resize(left);
}

Handler asyncHandler(const Inst& i) {
    switch (i.op) {
        case CP_ASYNC: return start;
        case CP_COMMIT: return commit;
        case CP_WAIT: case CP_WAIT_ALL: return wait;
        default: return nullptr;
    }
}
}  // namespace ptx
