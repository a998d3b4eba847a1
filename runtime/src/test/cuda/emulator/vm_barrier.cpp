// bar.sync, bar.arrive, bar.red: 16 barriers a block. Whoever leaves a barrier knows what all who came to it knew.
#include "vm.h"
#include <algorithm>

namespace ptx {
void Vm::release(Barrier& b) {
    std::vector<uint32_t> all(stride, 0);
    for (auto* group : {&b.waiting, &b.arrived})
        for (int w : *group)
            for (int u = 0; u < stride; u++) all[u] = std::max(all[u], clockOf(w)[u]);
    for (int w : b.waiting) {
        std::copy(all.begin(), all.end(), clockOf(w));
        warps[w].waits = false;
    }
    for (int w : b.waiting) clockOf(w)[w]++;
    for (auto& [w, i] : b.reductions) {
        const uint64_t result = i->sub == 0 ? b.trues : i->sub == 1 ? b.trues == b.threads : b.trues != 0;
        std::fill_n(warps[w].reg(i->dst), 32, result);
    }
    b = Barrier{};
}

/** Without a count all warps that still run are expected. */
void Vm::tryRelease(Barrier& b) {
    unsigned alive = 0;
    for (auto& w : warps) alive += w.alive != 0;
    if (!b.waiting.empty() && b.waiting.size() + b.arrived.size() >= (b.expected ? b.expected : alive)) release(b);
}

void Vm::enterBarrier(Warp& w, const Inst& i, uint32_t lanes) {
    const uint64_t id = w.reg(i.src[0])[0], count = i.src[1] < 0 ? 0 : uint32_t(w.reg(i.src[1])[0]);
    if (id > 15 || count % 32) fault(card::LAUNCH_FAILED, "barrier number or thread count");
    Barrier& b = barriers[id];
    if ((!b.waiting.empty() || !b.arrived.empty()) && b.expected != count / 32)
        fault(card::LAUNCH_FAILED, "warps name different thread counts for barrier " + std::to_string(id));
    if (std::find(b.arrived.begin(), b.arrived.end(), w.id) != b.arrived.end())
        fault(card::LAUNCH_FAILED, "warp " + std::to_string(w.id) + " comes to barrier " + std::to_string(id) + " again before it was complete");
    b.expected = count / 32;
    if (i.op == BAR_RED) {
        const uint64_t* p = w.reg(i.src[2]);
        for (int l = 0; l < 32; l++) {
            if (!on(lanes, l)) continue;
            b.threads++;
            b.trues += (p[l] != 0) != i.negC;
        }
        b.reductions.push_back({w.id, &i});
    }
    if (i.op == BAR_ARRIVE) {
        b.arrived.push_back(w.id);
    } else {
        b.waiting.push_back(w.id);
        w.waits = true;
    }
    tryRelease(b);
    if (i.op == BAR_ARRIVE) clockOf(w.id)[w.id]++;
}
}  // namespace ptx
